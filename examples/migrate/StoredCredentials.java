import com.google.api.client.auth.oauth2.StoredCredential;
import com.google.api.client.util.store.FileDataStoreFactory;
import com.google.gson.Gson;
import java.io.File;
import java.util.HashMap;

// Prints the refresh tokens of a FileDataStoreFactory's folder as JSON lines for -from java-stored-credential:
//
//	java -cp "$CLASSPATH" StoredCredentials.java FOLDER > grants.jsonl
public class StoredCredentials {
  public static void main(String[] args) throws Exception {
    var store = StoredCredential.getDefaultDataStore(new FileDataStoreFactory(new File(args[0])));
    for (String user : store.keySet()) {
      var row = new HashMap<String, String>();
      row.put("user", user);
      row.put("refreshToken", store.get(user).getRefreshToken());
      System.out.println(new Gson().toJson(row));
    }
  }
}
