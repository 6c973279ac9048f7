import hmac
import os

import jwt
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VAULT_KEY = b"0123456789abcdef0123456789abcdef"  # bad
KEY_BYTES = 32
api_key = os.environ["API_KEY"]
sealer = AESGCM(b"0123456789abcdef0123456789abcdef")  # bad
right = AESGCM(os.urandom(32))
signature = hmac.new(b"a-secret-in-the-code", b"message", "sha256")  # bad
token = jwt.encode({"sub": "x"}, "a-secret-in-the-code")  # bad
key = ""
