#!/usr/bin/env bash
# nginx drops the rest of an upload when the server begins to answer before it has read all of it.
#
# A handler that takes an upload and writes its progress into the response, as HTTP allows and as it
# works without a proxy, gets only what nginx had sent when the first line of the response came: nginx
# then sends no more, also in its default configuration, in which it has the whole upload on its disk.
# The client sees 200.
# A backend behind nginx reads a request to its end before it writes, reports progress on another
# request, and compares the length that it has got with the one that was announced.
#
# Seen with nginx 1.22.1-9+deb12u11 of Debian 12; needs apt-get, curl and python3.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"

apt-get -o APT::Sandbox::User=root download nginx=1.22.1-9+deb12u11 libpcre2-8-0 >install.log 2>&1 || { cat install.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$dir/root/usr/lib/x86_64-linux-gnu

# The server answers after the first megabyte, goes on reading, and writes down how much it got.
cat >server.py <<'END'
import http.server, re

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        got = len(self.rfile.read(1 << 20))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"8\r\nreading\n\r\n")
        self.wfile.flush()
        self.connection.settimeout(5)
        try:
            while got < size and (part := self.rfile.read1(1 << 16)):
                got += len(part)
        except OSError:
            pass
        with open("got", "w") as f:
            f.write("all\n" if got == size else "a part\n")
        self.close_connection = True
        try:
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
END
python3 server.py >port &
until [[ -s port ]]; do sleep 0.1; done

nginx=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
mkdir tmp
cat >nginx.conf <<END
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path tmp/1;
	proxy_temp_path tmp/2;
	fastcgi_temp_path tmp/3;
	uwsgi_temp_path tmp/4;
	scgi_temp_path tmp/5;
	server {
		listen 127.0.0.1:$nginx;
		client_max_body_size 64m;
		location / {
			proxy_pass http://127.0.0.1:$(cat port);
		}
	}
}
END
root/usr/sbin/nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log" &
until (: <>"/dev/tcp/127.0.0.1/$nginx") 2>/dev/null; do sleep 0.1; done

head -c 20971520 /dev/zero >large
upload() {
	rm -f got
	local status
	status=$(curl -s --max-time 60 -o body -w '%{http_code}' -H Expect: --data-binary @large "http://127.0.0.1:$1/") || true
	until [[ -s got ]]; do sleep 0.1; done
	echo "status $status, the server got $(cat got)"
}
{
	root/usr/sbin/nginx -e error.log -v 2>&1
	echo "without nginx: $(upload "$(cat port)")"
	echo "through nginx: $(upload "$nginx")"
} >seen
cat >expected <<'END'
nginx version: nginx/1.22.1
without nginx: status 200, the server got all
through nginx: status 200, the server got a part
END
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
