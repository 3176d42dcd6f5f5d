"""Makes a proxy with DIRAC's own code, for whatever time: dirac-proxy-init cannot make expired ones.

make_proxy.py CERTIFICATE KEY FILE SECONDS GROUP
"""

import sys

from DIRAC.Core.Security.X509Chain import X509Chain

cert, key, out, seconds, group = sys.argv[1:]
chain = X509Chain()
for result in (
    chain.loadChainFromFile(cert),
    chain.loadKeyFromFile(key),
):
    if not result["OK"]:
        sys.exit(result["Message"])
result = chain.generateProxyToFile(out, int(seconds), group)
if not result["OK"]:
    sys.exit(result["Message"])
