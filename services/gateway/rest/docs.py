"""The rows as a page for people. Plain HTML of our own: the usual viewers load scripts from elsewhere."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)
HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Lucid AI: REST</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
:root { color-scheme: light dark }
code { font-size: 14px } b { display: inline-block; min-width: 4.5rem }
li { margin: .6rem 0; list-style: none } ul { padding: 0 }
small { opacity: .75 }</style><h1>Lucid AI: REST</h1>
<p>The same as a machine reads it: <a href="/api/openapi.json">openapi.json</a>.</p>"""


@router.get("/api/docs")
async def get_docs(request: Request) -> HTMLResponse:
    """All rows, with what they take."""
    return HTMLResponse(page_of(request.app.openapi()))


def page_of(spec: dict[str, Any]) -> str:
    """The page of an OpenAPI description."""
    rows = [
        _row(method, path, operation)
        for path, methods in sorted(spec["paths"].items())
        for method, operation in methods.items()
    ]
    return f"{HEAD}<ul>{''.join(rows)}</ul></html>"


def _row(method: str, path: str, operation: dict[str, Any]) -> str:
    names = [parameter["name"] for parameter in operation.get("parameters", [])]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    takes = ", ".join([*names, *([f"body {body}"] if body else [])])
    words = escape(operation.get("description", ""))
    return f"<li><b>{method.upper()}</b><code>{escape(path)}</code><br>{words}<br><small>{escape(takes)}</small></li>"
