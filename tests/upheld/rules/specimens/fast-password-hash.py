import hashlib


def store(password, document, salt):
    hashlib.sha256(document).hexdigest()
    hashlib.sha256(password.encode()).hexdigest()  # bad
    hashlib.md5(salt + password).hexdigest()  # bad
    hashlib.new("sha1", password).hexdigest()  # bad
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
