import ssl

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def encrypt(key, nonce):
    Cipher(algorithms.AES(key), modes.GCM(nonce))
    Cipher(algorithms.AES(key), modes.ECB())  # bad
    Cipher(algorithms.TripleDES(key), modes.CBC(nonce))  # bad


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_2
context.minimum_version = ssl.TLSVersion.TLSv1  # bad
context.set_ciphers("ECDHE+AESGCM")
context.set_ciphers("ALL:@SECLEVEL=0")  # bad
