import jwt


def claims(token, key):
    jwt.decode(token, key, algorithms=["EdDSA"])
    jwt.decode(token, options={"verify_signature": False})  # bad
    jwt.decode(token, key, algorithms=["EdDSA"], options={"require": ["exp"], "verify_exp": False})  # bad
    jwt.decode(token, key, algorithms=["HS256", "none"])  # bad
    return jwt.encode({}, "", algorithm="none")  # bad
