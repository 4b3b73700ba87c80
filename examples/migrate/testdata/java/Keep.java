import com.google.api.client.auth.oauth2.StoredCredential;
import com.google.api.client.util.store.FileDataStoreFactory;
import java.io.File;

// Keeps grants as google-oauth-client does: one, and one without a refresh token.
public class Keep {
  public static void main(String[] args) throws Exception {
    var store = StoredCredential.getDefaultDataStore(new FileDataStoreFactory(new File(System.getenv("OUT"))));
    store.set("jane \"quoted\"", new StoredCredential().setAccessToken("ya29.old").setRefreshToken(System.getenv("REFRESH_TOKEN")));
    store.set("john", new StoredCredential().setAccessToken("ya29.old"));
  }
}
