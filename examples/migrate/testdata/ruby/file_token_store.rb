# Signs in with googleauth, and keeps the credentials of two users in a
# FileTokenStore; the second has none.
require "googleauth"
require "googleauth/stores/file_token_store"

id = Google::Auth::ClientId.new ENV["CLIENT_ID"], ENV["CLIENT_SECRET"]
store = Google::Auth::Stores::FileTokenStore.new file: ENV["OUT"]
scope = ["openid", "https://www.googleapis.com/auth/drive.appdata"]
authorizer = Google::Auth::UserAuthorizer.new id, scope, store, "/callback"

credentials = Google::Auth::UserRefreshCredentials.new(
  client_id: id.id, client_secret: id.secret, scope: scope,
  token_credential_uri: "#{ENV['FAKE']}/token", redirect_uri: "postmessage"
)
credentials.code = ENV["POPUP_CODE"]
credentials.fetch_access_token!({})
authorizer.store_credentials "jane", credentials
credentials.refresh_token = nil
authorizer.store_credentials "john", credentials
