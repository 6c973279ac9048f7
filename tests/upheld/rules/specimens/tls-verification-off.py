import ssl

import httpx

httpx.get("https://a.example", verify=False)  # bad
httpx.get("https://a.example")
httpx.AsyncClient(base_url="https://a.example", verify=False)  # bad
context = ssl._create_unverified_context()  # bad
trusted = ssl.create_default_context(cafile="ca.pem")
trusted.check_hostname = False  # bad
trusted.verify_mode = ssl.CERT_NONE  # bad
trusted.verify_mode = ssl.CERT_REQUIRED
