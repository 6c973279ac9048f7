GRAPH = "http://graph.example.com/v19.0"  # bad
GRAPH_OVER_TLS = "https://graph.example.com/v19.0"
LOGIN = "http://www.example.com/login"  # bad
LOCAL = "http://127.0.0.1:8000/api"
NAMESPACE = "http://www.w3.org/2000/svg"
