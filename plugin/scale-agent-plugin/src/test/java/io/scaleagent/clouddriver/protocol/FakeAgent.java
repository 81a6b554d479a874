// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import com.google.protobuf.ByteString;
import io.scaleagent.proto.v1.AccountMessage;
import io.scaleagent.proto.v1.AccountName;
import io.scaleagent.proto.v1.AccountOpen;
import io.scaleagent.proto.v1.AccountReply;
import io.scaleagent.proto.v1.Accounts;
import io.scaleagent.proto.v1.AgentMessage;
import io.scaleagent.proto.v1.Delta;
import io.scaleagent.proto.v1.Deltas;
import io.scaleagent.proto.v1.Hello;
import io.scaleagent.proto.v1.PluginMessage;
import io.scaleagent.proto.v1.Scope;
import io.scaleagent.proto.v1.Scopes;
import io.scaleagent.proto.v1.SnapshotBegin;
import io.scaleagent.proto.v1.SnapshotEnd;
import io.scaleagent.proto.v1.SnapshotEntry;
import io.scaleagent.proto.v1.SnapshotPage;
import io.scaleagent.proto.v1.Sums;
import io.scaleagent.proto.v1.Welcome;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * The agent's side of one stream, with as many workers as there are accounts, driven by a test step
 * by step.
 */
class FakeAgent implements StreamSink {
  static final int PODS = 1;
  static final int DEPLOYMENTS = 2;

  private static final PluginMessage END = PluginMessage.getDefaultInstance();
  final String id;
  final AgentStream stream;
  private final BlockingQueue<PluginMessage> inbox = new LinkedBlockingQueue<>();
  volatile boolean completed;
  volatile boolean closesOnGoodbye = true;
  long epoch;
  long sequence;
  long sent;
  long credit;

  FakeAgent(Engine engine, String id) {
    this(engine, id, new Client("192.0.2.1:4711", ""));
  }

  FakeAgent(Engine engine, String id, Client client) {
    this.id = id;
    stream = engine.open(client, this);
  }

  /** One that has said Hello and named its accounts, with handles from 1. */
  static FakeAgent connected(Engine engine, String id, String... accounts) {
    FakeAgent a = new FakeAgent(engine, id);
    a.hello(1, 1);
    a.accounts(accounts);
    if (!a.next().hasHello()) {
      throw new AssertionError("no HelloAnswer");
    }
    return a;
  }

  /** One whose account 1 is in an epoch and has named its scopes. */
  static FakeAgent caching(Engine engine, String id, String account) {
    FakeAgent a = connected(engine, id, account);
    a.open("cluster-1");
    a.welcome();
    a.scopes();
    return a;
  }

  // ---- from the plugin ----

  @Override
  public void send(PluginMessage message) {
    inbox.add(message);
    if (message.hasGoodbye() && closesOnGoodbye && stream != null) {
      new Thread(stream::halfClosed, "fake-agent").start();
    }
  }

  @Override
  public void complete() {
    completed = true;
    inbox.add(END);
  }

  /** The next message; an empty one is the end of the stream. */
  PluginMessage next() {
    PluginMessage m = poll(5000);
    if (m == null) {
      throw new AssertionError("nothing came from the plugin");
    }
    return m;
  }

  PluginMessage poll(long millis) {
    try {
      return inbox.poll(millis, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The next reply to account 1 that is no Ack; acks are noted. */
  AccountReply reply() {
    while (true) {
      AccountReply r = anyReply();
      if (!r.hasAck()) {
        return r;
      }
    }
  }

  AccountReply anyReply() {
    PluginMessage m = next();
    try {
      if (!m.getBodyCase().equals(PluginMessage.BodyCase.ACCOUNT_REPLY)) {
        throw new AssertionError("no reply to an account: " + m);
      }
      AccountReply r = AccountReply.parseFrom(m.getAccountReply());
      if (r.hasAck()) {
        credit = r.getAck().getCredit();
      }
      return r;
    } catch (com.google.protobuf.InvalidProtocolBufferException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Waits for the acknowledgement of everything that was sent. */
  AccountReply acked() {
    while (true) {
      AccountReply r = anyReply();
      if (!r.hasAck()) {
        throw new AssertionError("no Ack: " + r);
      }
      if (r.getAck().getSequence() == sequence) {
        return r;
      }
    }
  }

  /** Waits for acknowledgements until the last that can come. */
  long reachedAck() {
    long last = 0;
    while (last < sequence) {
      last = Math.max(last, anyReply().getAck().getSequence());
    }
    return last;
  }

  Welcome welcome() {
    AccountReply r = reply();
    if (!r.hasWelcome()) {
      throw new AssertionError("no Welcome: " + r);
    }
    epoch = r.getEpoch();
    sequence = 0;
    sent = 0;
    credit = r.getWelcome().getCredit();
    return r.getWelcome();
  }

  // ---- to the plugin ----

  void hello(int protocol, int oldest) {
    stream.message(
        AgentMessage.newBuilder()
            .setHello(
                Hello.newBuilder()
                    .setProtocol(protocol)
                    .setProtocolMin(oldest)
                    .setAgentId(id)
                    .setAgentVersion("0.1.0")
                    .setInstance(ByteString.copyFrom(new byte[16])))
            .build());
  }

  void accounts(String... names) {
    Accounts.Builder accounts = Accounts.newBuilder();
    for (int i = 0; i < names.length; i++) {
      if (!names[i].isEmpty()) {
        accounts.addAccounts(AccountName.newBuilder().setHandle(i + 1).setName(names[i]));
      }
    }
    stream.message(AgentMessage.newBuilder().setAccounts(accounts).build());
  }

  void open(String cluster) {
    send(0, AccountMessage.newBuilder().setOpen(AccountOpen.newBuilder().setClusterId(cluster)));
  }

  void send(AccountMessage.Builder m) {
    send(epoch, m);
  }

  void send(long inEpoch, AccountMessage.Builder m) {
    sendBytes(m.setEpoch(inEpoch).build().toByteString());
  }

  void sendBytes(ByteString bytes) {
    sent += bytes.size();
    stream.message(AgentMessage.newBuilder().setAccount(1).setAccountMessage(bytes).build());
  }

  static Scope scope(int id, String group, String resource, String kind) {
    return Scope.newBuilder()
        .setId(id)
        .setName(
            io.scaleagent.proto.v1.ScopeName.newBuilder().setGroup(group).setResource(resource))
        .setVersion("v1")
        .setKind(kind)
        .setNamespaced(true)
        .build();
  }

  /** Pods and Deployments. */
  void scopes() {
    send(
        AccountMessage.newBuilder()
            .setScopes(
                Scopes.newBuilder()
                    .addScopes(scope(PODS, "", "pods", "Pod"))
                    .addScopes(scope(DEPLOYMENTS, "apps", "deployments", "Deployment"))));
  }

  static String object(String name, String content) {
    return "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"default\",\"name\":\""
        + name
        + "\"},\"x\":\""
        + content
        + "\"}";
  }

  static Digest digest(String content) {
    try {
      byte[] all =
          MessageDigest.getInstance("SHA-256").digest(content.getBytes(StandardCharsets.UTF_8));
      return Digest.of(Arrays.copyOf(all, 16));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  static ByteString digestBytes(String name, String content) {
    return ByteString.copyFrom(digest(object(name, content)).bytes());
  }

  static Digest sum(String... namesAndContents) {
    Digest sum = Digest.ZERO;
    for (int i = 0; i < namesAndContents.length; i += 2) {
      sum = sum.plus(digest(object(namesAndContents[i], namesAndContents[i + 1])));
    }
    return sum;
  }

  static Delta.Builder put(int scope, String name, String content) {
    return Delta.newBuilder()
        .setScope(scope)
        .setNamespace("default")
        .setName(name)
        .setUid("uid-" + name)
        .setResourceVersion("1")
        .setDigest(digestBytes(name, content))
        .setObject(ByteString.copyFromUtf8(object(name, content)));
  }

  static Delta.Builder gone(int scope, String name) {
    return Delta.newBuilder()
        .setScope(scope)
        .setNamespace("default")
        .setName(name)
        .setDeleted(true);
  }

  void deltas(Delta.Builder... deltas) {
    Deltas.Builder b = Deltas.newBuilder().setFirstSequence(sequence + 1).setObservedUs(1);
    for (Delta.Builder d : deltas) {
      b.addDeltas(d);
    }
    sequence += deltas.length;
    send(AccountMessage.newBuilder().setDeltas(b));
  }

  void sums(int scope, long count, Digest sum) {
    send(
        AccountMessage.newBuilder()
            .setSums(
                Sums.newBuilder()
                    .setScope(scope)
                    .setCount(count)
                    .setSum(ByteString.copyFrom(sum.bytes()))));
  }

  boolean inStep(int scope, String... namesAndContents) {
    sums(scope, namesAndContents.length / 2, sum(namesAndContents));
    return reply().getSums().getInStep();
  }

  void begin(int scope, int snapshot) {
    send(
        AccountMessage.newBuilder()
            .setBegin(SnapshotBegin.newBuilder().setScope(scope).setSnapshot(snapshot)));
  }

  /** An entry is named with its content; "" for one without a digest. */
  void page(int scope, int snapshot, int page, String... namesAndContents) {
    SnapshotPage.Builder b =
        SnapshotPage.newBuilder().setScope(scope).setSnapshot(snapshot).setPage(page);
    for (int i = 0; i < namesAndContents.length; i += 2) {
      SnapshotEntry.Builder e =
          SnapshotEntry.newBuilder().setNamespace("default").setName(namesAndContents[i]);
      if (!namesAndContents[i + 1].isEmpty()) {
        e.setDigest(digestBytes(namesAndContents[i], namesAndContents[i + 1]));
      }
      b.addEntries(e);
    }
    send(AccountMessage.newBuilder().setPage(b));
  }

  void end(int scope, int snapshot, int pages) {
    send(
        AccountMessage.newBuilder()
            .setEnd(
                SnapshotEnd.newBuilder().setScope(scope).setSnapshot(snapshot).setPages(pages)));
  }

  void checkpoint(int scope, String version, String fingerprint) {
    send(
        AccountMessage.newBuilder()
            .setCheckpoint(
                io.scaleagent.proto.v1.Checkpoint.newBuilder()
                    .setScope(scope)
                    .setResourceVersion(version)
                    .setFingerprint(ByteString.copyFromUtf8(fingerprint))));
  }
}
