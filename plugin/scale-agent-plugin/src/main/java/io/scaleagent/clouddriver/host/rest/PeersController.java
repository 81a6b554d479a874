// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.rest;

import io.scaleagent.clouddriver.peers.PeerEndpoint;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.context.request.WebRequest;
import org.springframework.web.context.request.async.DeferredResult;

/** What other Clouddrivers of this database ask. No thread waits for the answer. */
@RestController
public class PeersController {
  /** An operation has its own time limit; this one only has to be longer. */
  private static final long LONGEST_MILLIS = 24 * 3_600_000L;

  private final PeerEndpoint endpoint;

  public PeersController(PeerEndpoint endpoint) {
    this.endpoint = endpoint;
  }

  @PostMapping(PeerEndpoint.PATH)
  public DeferredResult<ResponseEntity<byte[]>> peer(WebRequest request, InputStream body)
      throws IOException {
    DeferredResult<ResponseEntity<byte[]>> result = new DeferredResult<>(LONGEST_MILLIS);
    byte[] read = body.readNBytes(PeerEndpoint.REQUEST_BYTES + 1);
    if (read.length > PeerEndpoint.REQUEST_BYTES) {
      result.setResult(plain(413, "more than " + PeerEndpoint.REQUEST_BYTES + " bytes"));
      return result;
    }
    endpoint
        .handle(read, request.getDescription(true))
        .thenAccept(
            r ->
                result.setResult(
                    r.body() == null
                        ? plain(r.status(), r.reason())
                        : ResponseEntity.status(r.status())
                            .contentType(MediaType.APPLICATION_OCTET_STREAM)
                            .body(r.body())));
    return result;
  }

  private static ResponseEntity<byte[]> plain(int status, String reason) {
    return ResponseEntity.status(status)
        .contentType(MediaType.TEXT_PLAIN)
        .body(reason.getBytes(StandardCharsets.UTF_8));
  }
}
