#!/usr/bin/env bash
# Google's OAuth client for Java erases the kept refresh token at the user's second sign-in.
#
# Google sends a refresh token when a user passes the consent screen, and none at the sign-ins after
# that. AuthorizationCodeFlow.createAndStoreCredential builds a credential from the new response alone
# and stores it under the user: over the refresh token of the first sign-in it writes null. From then on
# the application works until the access token ends, an hour later.
# Those who import such a store meet users without a refresh token, who have to consent again. A backend
# in any language replaces a refresh token only by another one.
#
# Seen with google-oauth-client 1.34.1 (libgoogle-oauth-client-java 1.34.1-2 of Debian 12). Needs apt-get
# and a JDK of version 11 or later.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

apt-get -o APT::Sandbox::User=root download libgoogle-oauth-client-java=1.34.1-2 libgoogle-http-client-java=1.42.0-2 \
	libgoogle-gson-java libguava-java libopencensus-java libgrpc-java libhttpclient-java libhttpcore-java \
	>install.log 2>&1 || { cat install.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done

cat >Main.java <<'END'
import com.google.api.client.auth.oauth2.AuthorizationCodeFlow;
import com.google.api.client.auth.oauth2.BearerToken;
import com.google.api.client.auth.oauth2.ClientParametersAuthentication;
import com.google.api.client.auth.oauth2.TokenResponse;
import com.google.api.client.http.GenericUrl;
import com.google.api.client.http.javanet.NetHttpTransport;
import com.google.api.client.json.gson.GsonFactory;
import com.google.api.client.util.store.FileDataStoreFactory;
import java.io.File;

public class Main {
  public static void main(String[] args) throws Exception {
    var flow =
        new AuthorizationCodeFlow.Builder(
                BearerToken.authorizationHeaderAccessMethod(),
                new NetHttpTransport(),
                GsonFactory.getDefaultInstance(),
                new GenericUrl("https://oauth2.googleapis.com/token"),
                new ClientParametersAuthentication("1-a.apps.googleusercontent.com", "secret"),
                "1-a.apps.googleusercontent.com",
                "https://accounts.google.com/o/oauth2/auth")
            .setDataStoreFactory(new FileDataStoreFactory(new File("store")))
            .build();

    // What Google's token endpoint answers at the first sign-in, and at a later one.
    var first = new TokenResponse().setAccessToken("ya29.a0").setTokenType("Bearer").setExpiresInSeconds(3599L)
        .setRefreshToken("1//first");
    var second = new TokenResponse().setAccessToken("ya29.a1").setTokenType("Bearer").setExpiresInSeconds(3599L);

    flow.createAndStoreCredential(first, "jane");
    System.out.println("first sign-in: kept " + flow.loadCredential("jane").getRefreshToken());
    flow.createAndStoreCredential(second, "jane");
    System.out.println("second sign-in: kept " + flow.loadCredential("jane").getRefreshToken());
  }
}
END
cat >expected <<'END'
first sign-in: kept 1//first
second sign-in: kept null
END
java -cp "$(find root/usr/share/java -name '*.jar' | paste -sd :)" Main.java >seen 2>java.log || { cat java.log; exit 1; }
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
