// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.RolloutOperation;
import io.scaleagent.proto.v1.ScaleOperation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is said of operations, and what is not. */
class AuditTest {
  static OperationRecord record(String id, String kind, String message) {
    return new OperationRecord(
        "prod",
        Operation.newBuilder()
            .setId(ByteString.copyFromUtf8(id))
            .setUser("ann")
            .setName("SCALE")
            .setScale(ScaleOperation.getDefaultInstance())
            .build(),
        Requests.object(kind, "default", "web"),
        "OK",
        message,
        "u-1",
        "7",
        12,
        3);
  }

  @Test
  void aLineSaysWhoWhatAndHow() {
    assertThat(AuditLog.line(record("a", "deployment", "deployment.apps/web scaled")))
        .isEqualTo(
            "account=prod user=ann operation=SCALE verb=scale kind=deployment namespace=default"
                + " name=web result=OK ms=12 server_ms=3 id=61 uid=u-1"
                + " message=\"deployment.apps/web scaled\"");
  }

  @Test
  void aRolloutIsNamedByItsVerb() {
    Operation o =
        Operation.newBuilder()
            .setRollout(RolloutOperation.newBuilder().setVerb(RolloutOperation.Verb.UNDO))
            .build();
    OperationRecord r =
        new OperationRecord("prod", o, Requests.object("x", "", ""), "OK", "", "", "", 1, 1);
    assertThat(r.verb()).isEqualTo("rollout_undo");
    assertThat(AuditLog.line(r)).doesNotContain("user=").doesNotContain("namespace=");
  }

  @Test
  void nobodyForgesALine() {
    String line =
        AuditLog.line(record("a", "deployment", "x\nresult=OK \"quoted\" \u001b[31m\u0085 end"));
    assertThat(line)
        .doesNotContain("\n")
        .doesNotContain("\u001b")
        .doesNotContain("\u0085")
        .contains("\\\"quoted\\\"");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "secret     | Error from server (Invalid): data.key: hunter2 | Error from server (Invalid): ***",
        "Secret.v1. | error: illegal base64 data: hunter2 at byte 4  | error: ***",
        "secret     | secret/web configured                          | secret/web configured",
        "deployment | env PASSWORD=hunter2, other                    | env PASSWORD=***, other",
        "deployment | \"api_key\": \"hunter2 and more\" ok           | \"api_key\": *** ok",
        "deployment | Authorization: Bearer hunter2 was refused      | Authorization: *** *** was refused",
        "deployment | got eyJhbGciOiJSUzI1.eyJpc3M.sig here          | got *** here",
        "deployment | deployment.apps/web configured                 | deployment.apps/web configured"
      })
  void secretsAreMasked(String kind, String message, String said) {
    assertThat(Masks.text(kind, message)).isEqualTo(said).doesNotContain("hunter2");
  }

  @Test
  void messagesHaveAnEnd() {
    assertThat(Masks.text("pod", "x".repeat(5000))).hasSize(1003);
  }
}
