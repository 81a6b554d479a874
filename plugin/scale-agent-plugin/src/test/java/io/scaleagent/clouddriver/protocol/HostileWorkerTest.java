// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.scaleagent.proto.v1.AccountMessage;
import io.scaleagent.proto.v1.AccountReply;
import io.scaleagent.proto.v1.PluginMessage;
import io.scaleagent.proto.v1.Refusal;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * A worker that sends anything: its account is refused again and again, and nothing else happens.
 * The store in memory checks the totals of each transaction.
 */
class HostileWorkerTest extends EngineTestCase {
  private final Random random = new Random(11);

  /** Messages that are right in the epoch, in an order that need not be. */
  private List<ByteString> messages(FakeAgent a) {
    List<ByteString> all = new ArrayList<>();
    FakeAgent recorder =
        new FakeAgent(engine, "recorder") {
          @Override
          void sendBytes(ByteString bytes) {
            all.add(bytes);
          }
        };
    recorder.epoch = a.epoch;
    recorder.scopes();
    recorder.deltas(FakeAgent.put(1, "web", "" + random.nextInt(3)), FakeAgent.gone(1, "db"));
    recorder.deltas(FakeAgent.put(2, "web", "1"));
    recorder.deltas(FakeAgent.put(1, "big", "x").setObjectSize(100).clearDigest());
    recorder.sums(1, 1, Digest.ZERO);
    recorder.begin(1, 1 + random.nextInt(3));
    recorder.page(1, 1 + random.nextInt(3), 0, "web", "1", "other", "");
    recorder.end(1, 1 + random.nextInt(3), 1);
    recorder.checkpoint(1, random.nextBoolean() ? "5" : "", "");
    recorder.send(AccountMessage.newBuilder());
    return all;
  }

  private ByteString mutate(ByteString bytes) {
    byte[] b = bytes.toByteArray();
    switch (random.nextInt(6)) {
      case 0:
        return bytes.substring(0, random.nextInt(b.length + 1));
      case 1:
      case 2:
        for (int i = random.nextInt(4); i >= 0; i--) {
          b[random.nextInt(b.length)] = (byte) random.nextInt();
        }
        return ByteString.copyFrom(b);
      default:
        return bytes;
    }
  }

  private AccountReply last(FakeAgent a) throws Exception {
    AccountReply last = null;
    for (PluginMessage m = a.poll(0); m != null; m = a.poll(0)) {
      assertThat(m.hasAccountReply()).as("the stream goes on: %s", m).isTrue();
      AccountReply r = AccountReply.parseFrom(m.getAccountReply());
      if (r.hasRefusal()) {
        assertThat(r.getRefusal().getCode()).as("%s", r).isEqualTo(Refusal.Code.VIOLATION);
      }
      last = r;
    }
    return last;
  }

  @Test
  void costsItsAccountAlone() throws Exception {
    FakeAgent bystander = FakeAgent.caching(engine, "bystander", "other");
    FakeAgent a = FakeAgent.connected(engine, "hostile", "prod");
    for (int round = 0; round < 400; round++) {
      last(a);
      a.open("cluster-1");
      while (true) {
        AccountReply r = a.anyReply();
        if (r.hasWelcome()) {
          a.epoch = r.getEpoch();
          break;
        }
      }
      List<ByteString> messages = messages(a);
      if (random.nextBoolean()) {
        a.sendBytes(messages.get(0));
      }
      for (int i = random.nextInt(12); i >= 0; i--) {
        a.sendBytes(mutate(messages.get(random.nextInt(messages.size()))));
      }
    }
    bystander.deltas(FakeAgent.put(1, "web", "1"));
    bystander.acked();
    a.open("cluster-1");
    while (!a.anyReply().hasWelcome()) {}
    last(a);
  }
}
