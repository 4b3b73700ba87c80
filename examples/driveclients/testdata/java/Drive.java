import com.google.api.client.googleapis.json.GoogleJsonResponseException;
import com.google.api.client.googleapis.services.json.AbstractGoogleJsonClient;
import com.google.api.client.googleapis.services.json.AbstractGoogleJsonClientRequest;
import com.google.api.client.http.AbstractInputStreamContent;
import com.google.api.client.http.ByteArrayContent;
import com.google.api.client.http.HttpRequestInitializer;
import com.google.api.client.http.InputStreamContent;
import com.google.api.client.http.javanet.NetHttpTransport;
import com.google.api.client.json.GenericJson;
import com.google.api.client.json.gson.GsonFactory;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Google's client library for Java, called as its generated Drive service does, against the Drive at args[0]. */
class Drive extends AbstractGoogleJsonClient {
  static final int UNIT = 256 * 1024;

  Drive(String root) {
    super(new Builder(root));
  }

  static class Builder extends AbstractGoogleJsonClient.Builder {
    Builder(String root) {
      super(new NetHttpTransport(), new GsonFactory(), root, "drive/v3/",
          (HttpRequestInitializer) request -> request.getHeaders().setAuthorization("Bearer token"), false);
      setApplicationName("test");
    }

    @Override
    public Drive build() {
      throw new UnsupportedOperationException();
    }
  }

  class Call extends AbstractGoogleJsonClientRequest<GenericJson> {
    Call(String method, String path, GenericJson body) {
      super(Drive.this, method, path, body, GenericJson.class);
    }

    Call with(String parameter, Object value) {
      set(parameter, value);
      return this;
    }

    /** Uploads in chunks. */
    Call media(AbstractInputStreamContent content) {
      initializeMediaUpload(content);
      getMediaHttpUploader().setChunkSize(UNIT);
      return this;
    }

    /** Downloads in chunks. */
    byte[] download() throws Exception {
      initializeMediaDownload();
      getMediaHttpDownloader().setChunkSize(UNIT);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      executeMediaAndDownloadTo(out);
      return out.toByteArray();
    }
  }

  static GenericJson file(String name) {
    return new GenericJson().set("name", name);
  }

  static GenericJson newFile(String name) {
    return file(name).set("parents", List.of("appDataFolder"));
  }

  public static void main(String[] args) throws Exception {
    Drive drive = new Drive(args[0] + "/");
    String upload = "/upload/drive/v3/files";
    System.out.println("folder " + drive.new Call("GET", "files/appDataFolder", null).execute().get("mimeType"));

    byte[] big = new byte[3 * UNIT + 3];
    for (int i = 0; i < big.length; i++) {
      big[i] = (byte) (i / 1000);
    }
    GenericJson created = drive.new Call("POST", upload, newFile("big")).with("fields", "id,size")
        .media(new ByteArrayContent("text/plain", big)).execute();
    System.out.println("size " + created.get("size"));
    String id = (String) created.get("id");

    InputStreamContent unknownLength = new InputStreamContent("text/plain", new ByteArrayInputStream(big));
    System.out.println("streamed " + drive.new Call("POST", upload, newFile("streamed")).with("fields", "size")
        .media(unknownLength).execute().get("size"));

    System.out.println("same " + Arrays.equals(drive.new Call("GET", "files/" + id, null).download(), big));

    Call update = drive.new Call("PATCH", upload + "/" + id, file("renamed"))
        .media(new ByteArrayContent("text/html", "changed".getBytes()));
    update.getMediaHttpUploader().setDirectUploadEnabled(true);
    System.out.println("update " + update.execute().get("name"));
    System.out.println("metadata " + drive.new Call("PATCH", "files/" + id, file("again")).execute().get("name"));

    Object page = null;
    do {
      GenericJson list = drive.new Call("GET", "files", null).with("spaces", "appDataFolder").with("orderBy", "name")
          .with("pageSize", 1).with("pageToken", page).with("fields", "nextPageToken, files(id, name)").execute();
      for (Object found : (List<?>) list.get("files")) {
        System.out.println("listed " + ((Map<?, ?>) found).get("name"));
      }
      page = list.get("nextPageToken");
    } while (page != null);

    drive.new Call("DELETE", "files/" + id, null).execute();
    try {
      drive.new Call("GET", "files/" + id, null).execute();
    } catch (GoogleJsonResponseException e) {
      System.out.println("gone " + e.getStatusCode() + " " + e.getDetails().getErrors().get(0).getReason());
    }
  }
}
