// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import io.scaleagent.clouddriver.protocol.AccountPolicy;
import io.scaleagent.clouddriver.protocol.Client;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/** {@code kubesvc.grpc.auth.x509.accounts}: which certificate may bring which accounts. */
public final class SubjectPolicy implements AccountPolicy {
  private static final class Rule {
    final SubjectFilter subject;
    final List<Pattern> names = new ArrayList<>();

    Rule(SubjectFilter subject) {
      this.subject = subject;
    }

    boolean allows(String account) {
      return names.stream().anyMatch(p -> p.matcher(account).matches());
    }
  }

  private final List<Rule> rules = new ArrayList<>();

  /**
   * @throws SettingsException if they make no sense
   */
  public SubjectPolicy(GrpcSettings settings) {
    List<GrpcSettings.AccountsOfSubject> entries = settings.getAuth().getX509().getAccounts();
    for (int i = 0; i < entries.size(); i++) {
      String key = "kubesvc.grpc.auth.x509.accounts[" + i + "]";
      Rule rule = new Rule(new SubjectFilter(key + ".subject", entries.get(i).getSubject()));
      for (String name : entries.get(i).getAccounts()) {
        rule.names.add(Pattern.compile(("\\Q" + name + "\\E").replace("*", "\\E.*\\Q")));
      }
      rules.add(rule);
    }
  }

  @Override
  public Optional<String> refusal(Client client, String account) {
    if (rules.isEmpty()
        || rules.stream().anyMatch(r -> r.subject.fits(client.subject()) && r.allows(account))) {
      return Optional.empty();
    }
    String who = client.subject().isEmpty() ? "a client without a certificate" : client.subject();
    return Optional.of(
        who + " may not bring account " + account + " (kubesvc.grpc.auth.x509.accounts)");
  }
}
