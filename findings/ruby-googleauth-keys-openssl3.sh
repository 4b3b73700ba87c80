#!/usr/bin/env bash
# Ruby's googleauth in Debian 12 cannot verify any ID token: it cannot read Google's keys.
#
# IDTokens.verify_oidc fetches Google's keys as a JWK set and sets the numbers of each in an empty RSA
# key. With OpenSSL 3 keys cannot be changed, so it raises OpenSSL::PKey::PKeyError, before it looks at
# the token. Debian 12 has this version with OpenSSL 3.
# The library's reader of certificates works: a Verifier with X509CertHttpKeySource and
# https://www.googleapis.com/oauth2/v1/certs.
#
# Seen with ruby-googleauth 0.13.0-3 of Debian 12; needs apt-get and Ruby 3.1 with OpenSSL 3.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

apt-get -o APT::Sandbox::User=root download ruby-googleauth=0.13.0-3 ruby-signet ruby-addressable ruby-public-suffix \
	ruby-faraday ruby-faraday-net-http ruby-ruby2-keywords ruby-jwt ruby-memoist ruby-multi-json ruby-os \
	>install.log 2>&1 || { cat install.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export RUBYLIB=$dir/root/usr/lib/ruby/vendor_ruby

cat >main.rb <<'END'
require "googleauth"
require "googleauth/id_tokens"

def try
  yield
  "read"
rescue StandardError => e
  "#{e.class}: #{e.message}"
end

key = OpenSSL::PKey::RSA.new 2048
number = ->(n) { Base64.urlsafe_encode64 n.to_s(2), padding: false }
jwk = { kty: "RSA", alg: "RS256", use: "sig", kid: "1", n: number[key.n], e: number[key.e] }
cert = OpenSSL::X509::Certificate.new
cert.public_key = key
cert.not_before = Time.now
cert.not_after = Time.now + 3600
cert.sign key, "SHA256"

puts "OpenSSL #{OpenSSL::OPENSSL_LIBRARY_VERSION[/\d/]}"
puts "JWK: #{try { Google::Auth::IDTokens::KeyInfo.from_jwk(jwk.transform_keys(&:to_s)) }}"
source = Google::Auth::IDTokens::X509CertHttpKeySource.new "https://www.googleapis.com/oauth2/v1/certs"
puts "certificate: #{try { source.send :interpret_json, { "1" => cert.to_pem } }}"
END
cat >expected <<'END'
OpenSSL 3
JWK: OpenSSL::PKey::PKeyError: rsa#set_key= is incompatible with OpenSSL 3.0
certificate: read
END
ruby main.rb >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
