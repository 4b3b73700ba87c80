import com.google.api.client.auth.oauth2.AuthorizationCodeFlow;
import com.google.api.client.auth.oauth2.BearerToken;
import com.google.api.client.auth.oauth2.ClientParametersAuthentication;
import com.google.api.client.auth.oauth2.TokenResponseException;
import com.google.api.client.googleapis.auth.oauth2.GoogleAuthorizationCodeTokenRequest;
import com.google.api.client.googleapis.auth.oauth2.GoogleIdToken;
import com.google.api.client.googleapis.auth.oauth2.GoogleIdTokenVerifier;
import com.google.api.client.googleapis.auth.oauth2.GooglePublicKeysManager;
import com.google.api.client.googleapis.auth.oauth2.GoogleRefreshTokenRequest;
import com.google.api.client.googleapis.auth.oauth2.GoogleTokenResponse;
import com.google.api.client.http.GenericUrl;
import com.google.api.client.http.UrlEncodedContent;
import com.google.api.client.http.javanet.NetHttpTransport;
import com.google.api.client.json.gson.GsonFactory;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Map;

/** Signs in with google-api-client for Java; see guest_test.go for what it is asked. */
public class Guest {
  static final Map<String, String> env = System.getenv();
  static final String FAKE = env.get("FAKE");
  static final String ID = env.get("CLIENT_ID");
  static final String SECRET = env.get("CLIENT_SECRET");
  static final String TOKEN_URL = FAKE + "/token";
  static final NetHttpTransport transport = new NetHttpTransport();
  static final GsonFactory json = GsonFactory.getDefaultInstance();

  public static void main(String[] args) throws Exception {
    GoogleIdToken user = signIn();

    GoogleTokenResponse granted = new GoogleAuthorizationCodeTokenRequest(
        transport, json, TOKEN_URL, ID, SECRET, env.get("APP_CODE"), "").execute();
    String renewed = refresh(granted.getRefreshToken());
    transport.createRequestFactory()
        .buildPostRequest(new GenericUrl(FAKE + "/revoke"), new UrlEncodedContent(Map.of("token", renewed)))
        .execute().disconnect();
    String ended = "still good";
    try {
      refresh(granted.getRefreshToken());
    } catch (TokenResponseException e) {
      ended = e.getDetails().getError();
    }
    System.out.println("result " + json.toString(Map.of(
        "subject", user.getPayload().getSubject(),
        "email", user.getPayload().getEmail(),
        "scopes", List.of(granted.getScope().split(" ")),
        "refreshed", !renewed.equals(granted.getAccessToken()),
        "ended", ended)));
  }

  /** A browser redirect with PKCE. */
  static GoogleIdToken signIn() throws Exception {
    AuthorizationCodeFlow flow = new AuthorizationCodeFlow.Builder(
            BearerToken.authorizationHeaderAccessMethod(), transport, json, new GenericUrl(TOKEN_URL),
            new ClientParametersAuthentication(ID, SECRET), ID, FAKE + "/o/oauth2/v2/auth")
        .setScopes(List.of("openid", "email")).enablePKCE().build();
    System.out.println("authorize " + flow.newAuthorizationUrl()
        .setRedirectUri(env.get("CALLBACK")).setState("state-1").set("access_type", "offline").build());
    GenericUrl answer = new GenericUrl(new BufferedReader(new InputStreamReader(System.in)).readLine());
    GoogleTokenResponse tokens = flow.newTokenRequest((String) answer.getFirst("code"))
        .setRedirectUri(env.get("CALLBACK")).executeUnparsed().parseAs(GoogleTokenResponse.class);
    GooglePublicKeysManager keys = new GooglePublicKeysManager.Builder(transport, json)
        .setPublicCertsEncodedUrl(FAKE + "/oauth2/v1/certs").build();
    GoogleIdTokenVerifier.Builder verifier = new GoogleIdTokenVerifier.Builder(keys).setAudience(List.of(ID));
    verifier.setCertificatesLocation(FAKE + "/oauth2/v3/certs"); // its base class checks the signature too
    GoogleIdToken user = tokens.parseIdToken();
    if (!verifier.build().verify(user)) {
      throw new IllegalStateException("the ID token is not genuine");
    }
    return user;
  }

  static String refresh(String refreshToken) throws Exception {
    return new GoogleRefreshTokenRequest(transport, json, refreshToken, ID, SECRET)
        .setTokenServerUrl(new GenericUrl(TOKEN_URL)).execute().getAccessToken();
  }
}
