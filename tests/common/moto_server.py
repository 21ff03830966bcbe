"""A storage that speaks S3, in memory, until its standard input ends: says its port. With a certificate and its key: over TLS."""

import logging
import ssl
import sys
import threading
import urllib.request

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)
certificate = tuple(sys.argv[1:3]) or None
app = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=certificate)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
place = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
# Nobody else has that port.
anyone = ssl._create_unverified_context() if certificate else None
urllib.request.urlopen(urllib.request.Request(f"{place}/sealift", method="PUT"), context=anyone).read()
print(port, flush=True)
sys.stdin.read()
