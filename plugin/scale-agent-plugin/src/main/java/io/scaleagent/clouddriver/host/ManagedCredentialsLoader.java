// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesAccountProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesAccountProperties.ManagedAccount;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesNamedAccountCredentials;
import com.netflix.spinnaker.credentials.CredentialsRepository;
import com.netflix.spinnaker.credentials.definition.BasicCredentialsLoader;
import com.netflix.spinnaker.credentials.definition.CredentialsDefinitionSource;
import com.netflix.spinnaker.credentials.definition.CredentialsParser;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.ObjectProvider;

/**
 * Loads Kubernetes accounts from wherever Clouddriver has them (its configuration, Account
 * Management, a source of another plugin) and from agents. Where both have a name, the agent wins.
 */
public class ManagedCredentialsLoader
    extends BasicCredentialsLoader<ManagedAccount, KubernetesNamedAccountCredentials> {

  private final ManagedAccounts accounts;

  /**
   * @param source Clouddriver's own; if there is none, its configuration is
   */
  public ManagedCredentialsLoader(
      ObjectProvider<CredentialsDefinitionSource<ManagedAccount>> source,
      KubernetesAccountProperties properties,
      CredentialsParser<ManagedAccount, KubernetesNamedAccountCredentials> parser,
      CredentialsRepository<KubernetesNamedAccountCredentials> repository,
      ManagedAccounts accounts) {
    super(
        new Source(source.getIfAvailable(() -> properties::getAccounts), accounts),
        parser,
        repository);
    this.accounts = accounts;
    accounts.loader(this);
  }

  /** Not by two threads at once: polls, refreshes and agents all come here. */
  @Override
  public synchronized void load() {
    super.load();
    for (String name : accounts.misplaced()) {
      if (getCredentialsRepository().has(name)) {
        loadAnew(name);
      }
    }
  }

  /** Makes the accounts' credentials again, although their definitions are the same. */
  synchronized void reload(Set<String> names) {
    names.forEach(loadedDefinitions::remove);
    super.load();
  }

  /**
   * An account that moved between polling and an agent with an equal definition was not seen to
   * change: its caching agents have to be made again.
   */
  private void loadAnew(String name) {
    getCredentialsRepository().delete(name);
    loadedDefinitions.remove(name);
    super.load();
  }

  /** Agents' definitions, and those of the other source whose names are not taken. */
  static final class Source implements CredentialsDefinitionSource<ManagedAccount> {
    private static final Logger log = LoggerFactory.getLogger(ManagedCredentialsLoader.class);
    private final CredentialsDefinitionSource<ManagedAccount> other;
    private final ManagedAccounts accounts;
    private final Set<String> said = ConcurrentHashMap.newKeySet();

    Source(CredentialsDefinitionSource<ManagedAccount> other, ManagedAccounts accounts) {
      this.other = other;
      this.accounts = accounts;
    }

    @Override
    public List<ManagedAccount> getCredentialsDefinitions() {
      List<ManagedAccount> all = new ArrayList<>(accounts.definitions());
      Set<String> taken = accounts.names();
      said.retainAll(taken);
      for (ManagedAccount account : other.getCredentialsDefinitions()) {
        if (!taken.contains(account.getName())) {
          all.add(account);
        } else if (said.add(account.getName())) {
          log.warn(
              "Account {} is Clouddriver's own and an agent's: the agent's is used. Remove one of the"
                  + " two.",
              account.getName());
        }
      }
      return all;
    }
  }
}
