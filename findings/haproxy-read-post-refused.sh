#!/usr/bin/env bash
# HAProxy tells HTTP/2 clients that a POST was not processed when the server has read it.
#
# A server reads a POST and closes the connection without an answer, as one does that is stopped or
# killed. Over HTTP/1.1 HAProxy answers 502, once. Over HTTP/2 it resets the stream with
# REFUSED_STREAM, by which RFC 9113 (section 8.7) lets any client repeat any request, and curl does so
# five times: the server has read six POSTs for one command.
# A backend that receives one-time codes, or anything that should happen once, by POST behind HAProxy
# has to recognise the repeated request itself.
#
# Seen with HAProxy 2.6.12-1+deb12u4 and curl 7.88.1 of Debian 12; needs apt-get, curl and python3.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"

apt-get -o APT::Sandbox::User=root download haproxy=2.6.12-1+deb12u4 liblua5.3-0 \
	libopentracing1 libopentracing-c-wrapper0 >install.log 2>&1 || { cat install.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu

# The server prints a line for each request that it has read, and closes.
cat >server.py <<'END'
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    request = b""
    while not request.endswith(b"code=4/0AbCd"):
        request += connection.recv(65536)
    with open("read", "a") as f:
        print(request.split(b" ")[0].decode(), file=f)
    connection.close()
END
python3 server.py >port &
until [[ -s port ]]; do sleep 0.1; done

free() { python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'; }
http1=$(free) http2=$(free)
cat >haproxy.cfg <<END
defaults
	mode http
	timeout connect 10s
	timeout client 60s
	timeout server 60s
listen site
	bind 127.0.0.1:$http1
	bind 127.0.0.1:$http2 proto h2
	server one 127.0.0.1:$(cat port)
END
root/usr/sbin/haproxy -f haproxy.cfg -db 2>haproxy.log &
for port in $http1 $http2; do
	until (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
done

# post sends one POST, and says what the client and the server saw of it.
post() {
	: >read
	local status
	status=$(curl -sv --max-time 60 -o body -w '%{http_code}' \
		"$@" -d code=4/0AbCd 2>client.log) || true
	printf 'status %s, REFUSED_STREAM %s, read by the server: %s\n' "$status" \
		"$(grep -q REFUSED_STREAM client.log && echo yes || echo no)" "$(grep -c POST read)"
}
{
	root/usr/sbin/haproxy -v | grep -o 'version [^ ]*'
	echo "HTTP/1.1: $(post "http://127.0.0.1:$http1/")"
	echo "HTTP/2: $(post --http2-prior-knowledge "http://127.0.0.1:$http2/")"
} >seen
cat >expected <<'END'
version 2.6.12-1+deb12u4
HTTP/1.1: status 502, REFUSED_STREAM no, read by the server: 1
HTTP/2: status 000, REFUSED_STREAM yes, read by the server: 6
END
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
