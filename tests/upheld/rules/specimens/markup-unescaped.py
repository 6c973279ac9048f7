import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse

right = jinja2.Environment(autoescape=True)
wrong = jinja2.Environment(autoescape=False)  # bad


def page(name):
    Markup("<br>")
    Markup(name)  # bad
    HTMLResponse("<p>hello</p>")
    return HTMLResponse(f"<p>hello {name}</p>")  # bad
