package main

import "testing"

// TestIsOurs names the hosts under which the console is there.
func TestIsOurs(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8989": true, "127.0.0.1:8989": true, "[::1]:8989": true, "[::1]": true,
		"192.0.2.7": true, "google:8989": true, "google": true,
		"": false, "attacker.example.com": false, "attacker.example.com:8989": false, "localhost.example.com": false,
	} {
		a := app{cfg: &config{url: "http://google:8989"}}
		if a.isOurs(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
		if a.cfg.public = true; !a.isOurs(host) {
			t.Errorf("%q is refused with -public", host)
		}
	}
}
