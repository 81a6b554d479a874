// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** Bodies of rows: cats' CacheData as JSON. Immutable. */
final class Bodies {
  private static final int OBJECT_TTL = -1; // does not expire
  private static final int LOGICAL_TTL = 600;

  private final ObjectMapper mapper;

  /**
   * @param mapper Clouddriver's own, which the cache reads with
   */
  Bodies(ObjectMapper mapper) {
    this.mapper = Objects.requireNonNull(mapper);
  }

  /**
   * A new row.
   *
   * @throws IllegalArgumentException if the attributes can't be written as JSON
   */
  CatsTables.Row row(String id, Object attributes, Map<String, Set<String>> relationships) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = mapper.getFactory().createGenerator(text)) {
      json.writeStartObject();
      json.writeStringField("id", id);
      json.writeNumberField("ttlSeconds", Ids.logical(id) ? LOGICAL_TTL : OBJECT_TTL);
      json.writeFieldName("attributes");
      mapper.writeValue(json, attributes);
      json.writeFieldName("relationships");
      mapper.writeValue(json, relationships);
      json.writeEndObject();
    } catch (IOException e) {
      throw new IllegalArgumentException(id + " can't be written as JSON", e);
    }
    return new CatsTables.Row(id, text.toString(), hash(text.toString()));
  }

  /** A row of which only the relationships have changed. */
  CatsTables.Row with(String id, String body, Map<String, Set<String>> relationships) {
    try {
      JsonNode old = mapper.readTree(body);
      return row(id, old.path("attributes"), relationships);
    } catch (IOException e) {
      throw new UncheckedIOException("the row " + id + " can't be read", e);
    }
  }

  /** An application or cluster: it has a name and nothing else. */
  CatsTables.Row logical(String id, Map<String, Set<String>> relationships) {
    return row(id, Map.of("name", Ids.name(id)), relationships);
  }

  private static String hash(String body) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(body.getBytes(StandardCharsets.UTF_8));
      StringBuilder text = new StringBuilder(64);
      for (byte b : digest) {
        text.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
      }
      return text.toString();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
