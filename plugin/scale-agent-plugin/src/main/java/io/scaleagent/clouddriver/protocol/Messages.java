// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import com.google.protobuf.ByteString;
import io.scaleagent.proto.v1.AccountOpen;
import io.scaleagent.proto.v1.AccountReply;
import io.scaleagent.proto.v1.KnownScope;
import io.scaleagent.proto.v1.Permission;
import io.scaleagent.proto.v1.Welcome;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Between the wire's messages and the store's values. */
final class Messages {
  private static final Digest ONE =
      Digest.of(new byte[] {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});

  private Messages() {}

  static AccountProperties properties(AccountOpen m) {
    Map<String, List<String>> permissions = new HashMap<>();
    for (Permission p : m.getPermissionsList()) {
      permissions.put(p.getPermission(), List.copyOf(p.getRolesList()));
    }
    return new AccountProperties(
        m.getServer(),
        hex(m.getCertificateSha256()),
        m.getServerVersion(),
        m.getClusterId(),
        permissions,
        m.getKindsList(),
        m.getOmitKindsList(),
        m.getNamespacesList(),
        m.getOmitNamespacesList(),
        m.getOnlySpinnakerManaged(),
        m.getOnlyNamespacedResources());
  }

  static String hex(ByteString bytes) {
    StringBuilder text = new StringBuilder();
    for (byte b : bytes) {
      text.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
    }
    return text.toString();
  }

  /** Welcome, in as many parts as its list of scopes needs. */
  static List<AccountReply.Builder> welcome(List<StoredScope> scopes, long credit) {
    List<AccountReply.Builder> parts = new ArrayList<>();
    Welcome.Builder part = Welcome.newBuilder().setRole(Welcome.Role.CACHING).setCredit(credit);
    int size = 0;
    for (StoredScope s : scopes) {
      KnownScope known = known(s);
      if (size > 0 && size + known.getSerializedSize() > Limits.WELCOME_BYTES) {
        parts.add(AccountReply.newBuilder().setWelcome(part.setMore(true)));
        part = Welcome.newBuilder().setRole(Welcome.Role.CACHING).setCredit(credit);
        size = 0;
      }
      part.addScopes(known);
      size += known.getSerializedSize();
    }
    parts.add(AccountReply.newBuilder().setWelcome(part));
    return parts;
  }

  /**
   * A scope with stale digests is to be compared, though nothing may have changed in the cluster:
   * its sum is said to be one more than it is, and its checkpoint is kept back.
   */
  private static KnownScope known(StoredScope s) {
    boolean stale = s.totals().stale() > 0;
    Digest sum = stale ? s.totals().sum().plus(ONE) : s.totals().sum();
    ScopeName n = s.type().name();
    return KnownScope.newBuilder()
        .setName(
            io.scaleagent.proto.v1.ScopeName.newBuilder()
                .setGroup(n.group())
                .setResource(n.resource())
                .setNamespace(n.namespace()))
        .setResourceVersion(stale ? "" : s.resourceVersion())
        .setFingerprint(stale ? ByteString.EMPTY : ByteString.copyFrom(s.fingerprint()))
        .setAgeMs(stale ? 0 : s.ageMillis())
        .setCount(s.totals().count())
        .setSum(ByteString.copyFrom(sum.bytes()))
        .setKind(s.type().kind())
        .setVersion(s.type().version())
        .setNamespaced(s.type().namespaced())
        .build();
  }
}
