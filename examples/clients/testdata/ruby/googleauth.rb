# Signs in with googleauth; see guest_test.go for what it is asked.
require "googleauth"
require "googleauth/token_store"
require "json"

# A store of tokens in memory.
class Store < Google::Auth::TokenStore
  def initialize
    @tokens = {}
  end

  def load id
    @tokens[id]
  end

  def store id, token
    @tokens[id] = token
  end
end

$stdout.sync = true
id = Google::Auth::ClientId.new ENV["CLIENT_ID"], ENV["CLIENT_SECRET"]
authorizer = Google::Auth::UserAuthorizer.new id, ["openid", "email", "profile"], Store.new, ENV["CALLBACK"]
signed_in = Array.new 2 do |n|
  puts "authorize #{authorizer.get_authorization_url state: "state-#{n}"}"
  answer = URI.decode_www_form(URI($stdin.gets.chomp).query).to_h
  raise "state" unless answer["state"] == "state-#{n}"
  credentials = authorizer.get_and_store_credentials_from_code user_id: "jane", code: answer["code"]
  raise "sign-in #{n} brought no refresh token" unless credentials.refresh_token
  credentials
end
# IDTokens.verify_oidc reads the keys in their JWK form, which googleauth 0.13 cannot
# do with OpenSSL 3. It can read the certificates.
keys = Google::Auth::IDTokens::X509CertHttpKeySource.new "https://www.googleapis.com/oauth2/v1/certs"
verifier = Google::Auth::IDTokens::Verifier.new key_source: keys, aud: id.id, iss: "https://accounts.google.com"
claims = verifier.verify signed_in.last.id_token
kept = authorizer.get_credentials "jane"
before = kept.access_token
kept.refresh!
puts "result #{JSON.generate(subject: claims['sub'], email: claims['email'], refreshed: kept.access_token != before)}"
