#!/usr/bin/env bash
# Apache Traffic Server sends a GET that the server has read, and not answered, four times.
#
# If a server closes a connection after it has read a GET, as one does that is stopped or killed, Traffic
# Server takes the request for safe to repeat and sends it up to three times more, on new connections.
# The callback of a sign-in is such a GET, and has a one-time code in its query. A
# POST is sent once.
# A backend behind it sets proxy.config.http.connect_attempts_max_retries to 0, and treats the second
# arrival of a code as what it is: its own request, again.
#
# Seen with trafficserver 9.2.5+ds-0+deb12u4 of Debian 12, which calls itself 9.2.9; needs apt-get, curl and python3.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"

apt-get -o APT::Sandbox::User=root download trafficserver=9.2.5+ds-0+deb12u4 libhwloc15 libyaml-cpp0.7 libpcre3 \
	>install.log 2>&1 || { cat install.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/trafficserver:$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu

# The server writes down each request that it has read, and closes.
cat >server.py <<'END'
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    request = b""
    while b"\r\n\r\n" not in request and (part := connection.recv(65536)):
        request += part
    if request.startswith(b"POST") and not request.endswith(b"code=1"):
        connection.recv(65536)
    if request:
        with open("read", "a") as f:
            print(request.split(b" ")[0].decode(), file=f)
    connection.close()
END
python3 server.py >port &
until [[ -s port ]]; do sleep 0.1; done

# start starts a Traffic Server with the lines given beside the shortest configuration, on $proxy.
start() {
	proxy=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
	local at=$dir/$1 name
	shift
	mkdir "$at"
	for name in prefix exec_prefix sysconfdir datadir includedir localstatedir runtimedir logdir cachedir; do
		echo "$name: $at"
	done >"$at/runroot.yaml"
	for name in bindir sbindir; do echo "$name: $dir/root/usr/bin"; done >>"$at/runroot.yaml"
	echo "libdir: $dir/root/usr/lib" >>"$at/runroot.yaml"
	echo "libexecdir: $dir/root/usr/lib/trafficserver/modules" >>"$at/runroot.yaml"
	printf '%s\n' "CONFIG proxy.config.http.server_ports STRING $proxy:ip-in=127.0.0.1" \
		'CONFIG proxy.config.admin.user_id STRING #-1' "$@" >"$at/records.config"
	echo "map / http://127.0.0.1:$(cat port)/" >"$at/remap.config"
	printf '%s\n' 'ip_allow:' '  - {apply: in, ip_addrs: 127.0.0.1, action: allow, methods: ALL}' >"$at/ip_allow.yaml"
	echo "$at 32M" >"$at/storage.config"
	root/usr/bin/traffic_server --run-root="$at/runroot.yaml" >"$at/log" 2>&1 &
	until (: <>"/dev/tcp/127.0.0.1/$proxy") 2>/dev/null; do sleep 0.1; done
}
# count sends a request, and says how often the server has read it.
count() {
	: >read
	local status
	status=$(curl -s --max-time 120 -o body -w '%{http_code}' "$@") || true
	echo "status $status, read by the server: $(wc -l <read)"
}
{
	root/usr/bin/traffic_server -V 2>/dev/null | grep -o 'Traffic Server [0-9.]*' | head -n 1
	start shortest
	echo "GET: $(count "http://127.0.0.1:$proxy/callback?code=1")"
	echo "POST: $(count -d code=1 "http://127.0.0.1:$proxy/")"
	start once 'CONFIG proxy.config.http.connect_attempts_max_retries INT 0'
	echo "GET, without retries: $(count "http://127.0.0.1:$proxy/callback?code=1")"
} >seen
cat >expected <<'END'
Traffic Server 9.2.9
GET: status 502, read by the server: 4
POST: status 502, read by the server: 1
GET, without retries: status 502, read by the server: 1
END
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
