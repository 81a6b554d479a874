// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonParseException;
import com.google.gson.JsonPrimitive;
import com.google.gson.JsonSerializer;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.protobuf.ByteString;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import io.scaleagent.clouddriver.host.AgentOperationException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Objects of Kubernetes as Clouddriver has them, to and from JSON, as it does that for kubectl. */
final class Manifests {
  /** The agent takes messages of 4 MB, of which an operation has the rest to itself. */
  static final int MOST_BYTES = 3 << 20;

  /** Beyond it a double does not hold every whole number. */
  private static final double WHOLE = 1L << 53;

  // Gson reads every number as a double; kubectl writes whole ones as such, and so do we: the API
  // server takes no "3.0" for an integer.
  private static final Gson GSON =
      new GsonBuilder()
          .registerTypeAdapter(
              Double.class,
              (JsonSerializer<Double>)
                  (value, type, context) ->
                      new JsonPrimitive(
                          value == Math.rint(value) && Math.abs(value) <= WHOLE
                              ? (Number) value.longValue()
                              : value))
          .create();

  private Manifests() {}

  /**
   * @param what it is, for people
   * @throws AgentOperationException if it is too large to be sent
   */
  static ByteString json(String what, Object value) {
    ByteString json = ByteString.copyFromUtf8(GSON.toJson(value));
    if (json.size() > MOST_BYTES) {
      throw new AgentOperationException(
          what + " has " + json.size() + " bytes; an agent takes " + MOST_BYTES + " at most");
    }
    return json;
  }

  private static Reader reader(ByteString json) {
    return new InputStreamReader(json.newInput(), StandardCharsets.UTF_8);
  }

  /**
   * @throws JsonParseException if it is no object
   */
  static KubernetesManifest object(ByteString json) {
    KubernetesManifest manifest = GSON.fromJson(reader(json), KubernetesManifest.class);
    if (manifest == null || manifest.isEmpty()) {
      throw new JsonParseException("there is nothing in it");
    }
    return manifest;
  }

  /**
   * The items of a list, or of an array; empty for nothing.
   *
   * @throws JsonParseException if it is no list
   */
  static List<KubernetesManifest> list(ByteString json) {
    List<KubernetesManifest> all = new ArrayList<>();
    if (json.isEmpty()) {
      return all;
    }
    try (JsonReader reader = new JsonReader(reader(json))) {
      if (reader.peek() == JsonToken.BEGIN_ARRAY) {
        items(reader, all);
        return all;
      }
      reader.beginObject();
      while (reader.hasNext()) {
        if (reader.nextName().equals("items") && reader.peek() == JsonToken.BEGIN_ARRAY) {
          items(reader, all);
        } else {
          reader.skipValue();
        }
      }
      reader.endObject();
      return all;
    } catch (IOException | IllegalStateException e) {
      throw new JsonParseException(e.getMessage(), e);
    }
  }

  private static void items(JsonReader reader, List<KubernetesManifest> into) throws IOException {
    reader.beginArray();
    while (reader.hasNext()) {
      into.add(GSON.fromJson(reader, KubernetesManifest.class));
    }
    reader.endArray();
  }
}
