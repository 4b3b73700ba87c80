//go:build unix

package proxies

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A proxy is one program, with the shortest configuration that forwards, and with
// the lines of docs/proxies.md.
type proxy struct {
	install string // the Debian package
	program string

	// config returns the files of the configuration. Those of the names ending
	// in .log are written by the proxy. advised adds the lines of the documentation.
	config func(c config) map[string]string
	args   func(dir string) []string

	// What the shortest configuration does.
	tls          bool
	rewritesHost bool
	repeats      bool // a GET whose server hangs up
	logs         bool // the query of a request, in access.log or on its output
}

type config struct {
	dir, port string
	servers   []string // host:port
	advised   bool
}

// if advised.
func (c config) line(advised string) string {
	if c.advised {
		return advised
	}
	return ""
}

func (c config) either(advised, short string) string {
	if c.advised {
		return advised
	}
	return short
}

var all = map[string]proxy{
	"nginx": {
		install: "nginx", program: "nginx", rewritesHost: true, repeats: true, logs: true,
		config: func(c config) map[string]string {
			return map[string]string{"nginx.conf": `
				daemon off; master_process off; pid nginx.pid;
				events {}
				http {
					client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
					proxy_cache_path cache keys_zone=one:1m;
					` + c.either(`log_format path '$remote_addr [$time_local] "$request_method $uri" $status';
					access_log access.log path;`, `access_log access.log;`) + `
					upstream site { ` + each(c.servers, "server %s; ") + c.line("keepalive 16; ") + `}
					server {
						listen 127.0.0.1:` + c.port + `;
						location / {
							proxy_pass http://site;
							proxy_cache one; proxy_cache_valid 200 302 10m;
							` + c.line(`
							proxy_set_header Host $http_host;
							proxy_next_upstream off;
							client_max_body_size 100m;
							proxy_http_version 1.1;
							proxy_set_header Connection "";`) + `
						}
					}
				}`}
		},
		args: func(dir string) []string { return []string{"-p", dir, "-c", "nginx.conf", "-e", "stderr"} },
	},
	"apache": {
		install: "apache2", program: "apache2", rewritesHost: true, logs: true,
		config: func(c config) map[string]string {
			return map[string]string{"apache.conf": `
				ServerRoot ` + c.dir + `
				ServerName localhost
				PidFile apache.pid
				DefaultRuntimeDir ` + c.dir + `
				Listen 127.0.0.1:` + c.port + `
				` + each([]string{"mpm_event", "proxy", "proxy_http", "authz_core"}, "LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n") + `
				ErrorLog error.log
				` + c.either(`CustomLog access.log "%h %t \"%m %U\" %>s"`, `CustomLog access.log "%h %l %u %t \"%r\" %>s %b"`) + `
				` + c.line("ProxyPreserveHost On") + `
				ProxyPass / http://` + c.servers[0] + `/
				`}
		},
		args: func(dir string) []string { return []string{"-X", "-f", filepath.Join(dir, "apache.conf")} },
	},
	"haproxy": {
		install: "haproxy", program: "haproxy", logs: true,
		config: func(c config) map[string]string {
			return map[string]string{"haproxy.cfg": `
global
	log stdout format raw local0
defaults
	mode http
	log global
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	` + c.either(`log-format "%ci [%tr] %HM %HPO %ST"`, "option httplog") + `
frontend all
	bind 127.0.0.1:` + c.port + `
	default_backend site
backend site
	` + each(c.servers, "server %[2]s %[1]s\n\t") + "\n"}
		},
		args: func(dir string) []string { return []string{"-db", "-f", filepath.Join(dir, "haproxy.cfg")} },
	},
	"caddy": {
		install: "caddy", program: "caddy", repeats: true, logs: true,
		config: func(c config) map[string]string {
			return map[string]string{"Caddyfile": `
{
	admin off
	auto_https off
}
http://127.0.0.1:` + c.port + ` {
	log {
		output file ` + c.dir + `/access.log
		` + c.line(`format filter {
			wrap json
			fields {
				request>uri query {
					delete code
					delete state
				}
				request>headers>Referer delete
				request>headers>Cookie delete
				resp_headers>Location delete
			}
		}`) + `
	}
	reverse_proxy ` + strings.Join(c.servers, " ") + ` {
		` + c.line(`transport http {
			keepalive off
		}`) + `
	}
}
`}
		},
		args: func(dir string) []string { return []string{"run", "--config", filepath.Join(dir, "Caddyfile")} },
	},
	"varnish": {
		install: "varnish", program: "varnishd", repeats: true,
		config: func(c config) map[string]string {
			host, port, _ := strings.Cut(c.servers[0], ":")
			return map[string]string{"site.vcl": `
				vcl 4.1;
				backend site { .host = "` + host + `"; .port = "` + port + `"; }
				` + c.line(`sub vcl_recv { if (req.url ~ "[?&]code=") { return (pipe); } }`) + `
				`}
		},
		args: func(dir string) []string {
			return []string{"-F", "-j", "none", "-n", dir, "-f", filepath.Join(dir, "site.vcl"), "-s", "malloc,16m"}
		},
	},
	"h2o": {
		install: "h2o", program: "h2o", rewritesHost: true, logs: true,
		config: func(c config) map[string]string {
			return map[string]string{"h2o.conf": `
listen: {host: 127.0.0.1, port: ` + c.port + `}
hosts:
  default:
    paths:
      "/":
        proxy.reverse.url: http://` + c.servers[0] + `/
` + c.line("        proxy.preserve-host: ON\n") + `
access-log:
  path: ` + c.dir + `/access.log
` + c.line("  format: \"%h %t \\\"%m %U\\\" %s\"\n")}
		},
		args: func(dir string) []string { return []string{"-c", filepath.Join(dir, "h2o.conf")} },
	},
	"trafficserver": {
		install: "trafficserver", program: "traffic_server", rewritesHost: true, repeats: true, logs: true,
		config: func(c config) map[string]string {
			in := func(names ...string) string { return each(names, "%s: "+c.dir+"\n") }
			return map[string]string{
				"runroot.yaml": in("prefix", "exec_prefix", "sysconfdir", "datadir", "includedir", "localstatedir", "runtimedir", "logdir", "cachedir") +
					"bindir: /usr/bin\nsbindir: /usr/bin\nlibdir: /usr/lib\nlibexecdir: /usr/lib/trafficserver/modules\n",
				"records.config": "CONFIG proxy.config.http.server_ports STRING " + c.port + ":ip-in=127.0.0.1\n" +
					"CONFIG proxy.config.admin.user_id STRING #-1\nCONFIG proxy.config.log.logging_enabled INT 3\nCONFIG proxy.config.log.max_secs_per_buffer INT 1\n" +
					c.line("CONFIG proxy.config.url_remap.pristine_host_hdr INT 1\nCONFIG proxy.config.http.connect_attempts_max_retries INT 0\n"),
				"remap.config":   "map / http://" + c.servers[0] + "/\n",
				"ip_allow.yaml":  "ip_allow:\n  - {apply: in, ip_addrs: 127.0.0.1, action: allow, methods: ALL}\n",
				"storage.config": c.dir + " 32M\n",
				"logging.yaml": "logging:\n  formats:\n    - name: short\n      format: '" +
					c.either("%<chi> [%<cqtn>] %<cqhm> /%<cqup> %<pssc>", "%<chi> [%<cqtn>] \"%<cqtx>\" %<pssc>") +
					"'\n  logs:\n    - filename: access\n      format: short\n",
			}
		},
		args: func(dir string) []string { return []string{"--run-root=" + filepath.Join(dir, "runroot.yaml")} },
	},
	"stunnel": {
		install: "stunnel4", program: "stunnel4", tls: true,
		config: func(c config) map[string]string {
			return map[string]string{
				"cert.pem": certificate(),
				"stunnel.conf": "foreground = yes\npid =\n[site]\naccept = 127.0.0.1:" + c.port + "\nconnect = " + c.servers[0] +
					"\ncert = " + c.dir + "/cert.pem\n",
			}
		},
		args: func(dir string) []string { return []string{filepath.Join(dir, "stunnel.conf")} },
	},
	"hitch": {
		install: "hitch", program: "hitch", tls: true,
		config: func(c config) map[string]string {
			return map[string]string{
				"cert.pem": certificate(),
				"hitch.conf": "frontend = \"[127.0.0.1]:" + c.port + "\"\nbackend = \"[127.0.0.1]:" + c.servers[0][len("127.0.0.1:"):] +
					"\"\nworkers = 1\ndaemon = off\npem-file = \"" + c.dir + "/cert.pem\"\n",
			}
		},
		args: func(dir string) []string { return []string{"--config=" + filepath.Join(dir, "hitch.conf")} },
	},
	"lighttpd": {
		install: "lighttpd", program: "lighttpd", logs: true,
		config: func(c config) map[string]string {
			host, port, _ := strings.Cut(c.servers[0], ":")
			return map[string]string{"lighttpd.conf": `
server.modules = ("mod_proxy", "mod_accesslog")
server.document-root = "` + c.dir + `"
server.bind = "127.0.0.1"
server.port = ` + c.port + `
proxy.server = ("" => (("host" => "` + host + `", "port" => ` + port + `)))
accesslog.filename = "` + c.dir + `/access.log"
` + c.line(`accesslog.format = "%h %t \"%m %U\" %s"`) + "\n"}
		},
		args: func(dir string) []string { return []string{"-D", "-f", filepath.Join(dir, "lighttpd.conf")} },
	},
}

// certificate returns a key and a certificate for 127.0.0.1, made for the test.
func certificate() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}}}
	cert, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
}

// each formats %[1]s with each value, and %[2]s with a name for it.
func each(values []string, format string) string {
	var all strings.Builder
	for i, v := range values {
		if strings.Contains(format, "[") {
			fmt.Fprintf(&all, format, v, fmt.Sprint("s", i))
		} else {
			fmt.Fprintf(&all, format, v)
		}
	}
	return all.String()
}

// write writes the configuration, and returns the arguments of the program.
func (p proxy) write(t *testing.T, c config) []string {
	t.Helper()
	for name, text := range p.config(c) {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := p.args(c.dir)
	if p.program == "varnishd" {
		args = append(args, "-a", "127.0.0.1:"+c.port)
	}
	return args
}
