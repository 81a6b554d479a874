// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.clouddriver.protocol.Client;
import java.util.List;
import org.junit.jupiter.api.Test;

class SubjectTest {
  private static boolean fits(String filter, String subject) {
    return new SubjectFilter("key", filter).fits(subject);
  }

  @Test
  void aFilterFitsAWholeSubjectOrAWholePartOfIt() {
    assertThat(fits("CN=agent-1,O=Example", "CN=agent-1,O=Example")).isTrue();
    assertThat(fits("O=Example", "CN=agent-1,O=Example")).isTrue();
    assertThat(fits("CN=agent-.*", "CN=agent-1,O=Example")).isTrue();
    assertThat(fits(".*,O=Example,.*", "CN=agent-1,O=Example,C=DE")).isTrue();
    assertThat(fits("CN=agent", "CN=agent-1,O=Example")).isFalse();
    assertThat(fits("O=Exam", "CN=agent-1,O=Example")).isFalse();
    assertThat(fits(".*", "")).isFalse();
  }

  @Test
  void aCommaWithinAValueSeparatesNothing() {
    assertThat(fits("O=Example", "CN=a\\,O=Example,O=Other")).isFalse();
    assertThat(fits("O=Other", "CN=a\\,O=Example,O=Other")).isTrue();
  }

  private static GrpcSettings.AccountsOfSubject rule(String subject, String... accounts) {
    GrpcSettings.AccountsOfSubject r = new GrpcSettings.AccountsOfSubject();
    r.setSubject(subject);
    r.setAccounts(List.of(accounts));
    return r;
  }

  @Test
  void accountsBelongToSubjects() {
    GrpcSettings s = new GrpcSettings();
    Client prod = new Client("192.0.2.1:1", "CN=prod-agent,O=Example");
    Client dev = new Client("192.0.2.2:1", "CN=dev-agent,O=Example");
    Client nobody = new Client("192.0.2.3:1", "");
    assertThat(new SubjectPolicy(s).refusal(nobody, "prod-1")).isEmpty();
    s.getAuth()
        .getX509()
        .setAccounts(
            List.of(
                rule("CN=prod-agent", "prod-*", "shared"),
                rule("CN=dev-agent", "dev.[1]*", "shared")));
    SubjectPolicy p = new SubjectPolicy(s);
    assertThat(p.refusal(prod, "prod-1")).isEmpty();
    assertThat(p.refusal(prod, "shared")).isEmpty();
    assertThat(p.refusal(dev, "shared")).isEmpty();
    assertThat(p.refusal(dev, "dev.[1]x")).isEmpty();
    assertThat(p.refusal(dev, "devx1x")).as("no regular expression").isPresent();
    assertThat(p.refusal(prod, "xprod-1")).isPresent();
    assertThat(p.refusal(dev, "prod-1").orElseThrow()).contains("CN=dev-agent").contains("prod-1");
    assertThat(p.refusal(nobody, "shared").orElseThrow()).contains("without a certificate");
  }
}
