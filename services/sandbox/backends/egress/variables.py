"""What programs inside must find in their environment to use the proxy, each in its own words."""

from services.sandbox.backends.egress.trust import Trust

PORT = 3128
PROXY = f"http://127.0.0.1:{PORT}"
# The git gate, and what the agent starts itself.
DIRECT = "127.0.0.1,localhost,::1"
JAVA_DIRECT = "localhost|127.*|[::1]"


def proxy_variables(run: str, trust: Trust) -> dict[str, str]:
    """Both spellings: curl reads only the small one for http, others only the capitals."""
    both = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "ALL_PROXY": PROXY, "NO_PROXY": DIRECT}
    return {
        **both,
        **{name.lower(): value for name, value in both.items()},
        "npm_config_proxy": PROXY,
        "npm_config_https_proxy": PROXY,
        "npm_config_noproxy": DIRECT,
        "NODE_USE_ENV_PROXY": "1",
        "CARGO_HTTP_PROXY": PROXY,
        "JAVA_TOOL_OPTIONS": f"{_java()} {trust.java(run)}".strip(),
        # Maven 3.9 and later listen to those of Java only when told to.
        "MAVEN_OPTS": " ".join(f"-Daether.{name}.http.useSystemProperties=true" for name in ("connector", "transport")),
        **trust.variables(run),
    }


def _java() -> str:
    proxy = [f"-D{kind}.proxyHost=127.0.0.1 -D{kind}.proxyPort={PORT}" for kind in ("http", "https")]
    return f"{' '.join(proxy)} -Dhttp.nonProxyHosts={JAVA_DIRECT}"
