// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Optional;

/** Which client may bring which account. */
public interface AccountPolicy {
  /** Whoever may connect may bring any account. */
  AccountPolicy ANY = (client, account) -> Optional.empty();

  /** Why the client may not bring the account, for people; empty if it may. */
  Optional<String> refusal(Client client, String account);
}
