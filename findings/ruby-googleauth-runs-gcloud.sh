#!/usr/bin/env bash
# Ruby's googleauth runs gcloud for each user's credentials that it makes.
#
# A web application makes a UserRefreshCredentials from each user's refresh token. The constructor
# looks for a project ID, which a user's credentials do not have. Where gcloud is installed, it
# therefore runs `gcloud config config-helper`, which takes from half a second to several, and which
# prints an access token of the machine's own account; googleauth reads the project alone.
# The same code is fast on a server without gcloud. A project_id, even an invented one, avoids it.
#
# Seen with ruby-googleauth 0.13.0-3 of Debian 12; needs apt-get and Ruby 3.1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

apt-get -o APT::Sandbox::User=root download ruby-googleauth=0.13.0-3 ruby-signet ruby-addressable ruby-public-suffix \
	ruby-faraday ruby-faraday-net-http ruby-ruby2-keywords ruby-jwt ruby-memoist ruby-multi-json ruby-os \
	>install.log 2>&1 || { cat install.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export RUBYLIB=$dir/root/usr/lib/ruby/vendor_ruby

mkdir bin
cat >bin/gcloud <<END
#!/bin/sh
echo "\$@" >>$dir/ran
echo '{"configuration": {"properties": {"core": {"project": "a-project-of-the-machine"}}}, "credential": {"access_token": "ya29.machine"}}'
END
chmod +x bin/gcloud
touch ran

cat >main.rb <<'END'
require "googleauth"

def make(**options)
  Google::Auth::UserRefreshCredentials.new(
    client_id: "1-a.apps.googleusercontent.com", client_secret: "s", refresh_token: "1//0a", scope: ["email"], **options
  )
end

def times_run
  File.foreach("ran").count
end

puts "project: #{make.project_id}"
make
puts "two users: gcloud was run #{times_run} times, with #{File.foreach('ran').first}"
make project_id: "x"
puts "with a project ID: #{times_run} times"
END
cat >expected <<'END'
project: a-project-of-the-machine
two users: gcloud was run 2 times, with config config-helper --format json --verbosity none
with a project ID: 2 times
END
PATH=$dir/bin:$PATH ruby main.rb >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
