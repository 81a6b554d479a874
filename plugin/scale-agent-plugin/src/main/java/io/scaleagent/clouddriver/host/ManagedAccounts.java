// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesAccountProperties.ManagedAccount;
import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.accounts.AgentAccount;
import io.scaleagent.clouddriver.accounts.LoadedAccount;
import io.scaleagent.clouddriver.accounts.LoadedAccounts;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The accounts of agents inside this Clouddriver: a copy of the catalog's definitions, and the
 * caching agents that stand for them. It is made before the database is at hand and is empty until
 * {@link #follow}.
 */
public class ManagedAccounts implements LoadedAccounts {
  private static final Logger log = LoggerFactory.getLogger(ManagedAccounts.class);

  /** An account as it was last read. */
  private static final class Known {
    private final AgentAccount account;
    private final ManagedAccount definition;

    Known(AgentAccount account, ManagedAccount definition) {
      this.account = account;
      this.definition = definition;
    }
  }

  private final AccountDefinitions definitions;
  private final ConversionMark mark;
  private final Map<String, ManagedCachingAgent> agents = new ConcurrentHashMap<>();
  private final Set<String> withoutNamespaces = ConcurrentHashMap.newKeySet();
  private volatile Map<String, Known> known = Map.of();
  private volatile AccountCatalog catalog;
  private volatile ManagedCredentialsLoader loader;
  private long revision = Long.MIN_VALUE;

  public ManagedAccounts(KubesvcSettings settings, ConversionMark mark) {
    this.definitions = new AccountDefinitions(settings);
    this.mark = mark;
  }

  /** The loader has been made; nothing is loaded before. */
  void loader(ManagedCredentialsLoader value) {
    loader = value;
  }

  /** From now on the accounts are the catalog's. */
  public void follow(AccountCatalog value) {
    catalog = value;
  }

  public boolean manages(String account) {
    return known.containsKey(account);
  }

  public Set<String> names() {
    return known.keySet();
  }

  Collection<ManagedAccount> definitions() {
    List<ManagedAccount> all = new ArrayList<>();
    known.values().forEach(k -> all.add(k.definition));
    return all;
  }

  /**
   * Takes what has changed in the catalog and has it loaded.
   *
   * @return whether anything had changed
   */
  public boolean refresh() {
    AccountCatalog from = catalog;
    if (from == null) {
      return false;
    }
    synchronized (this) {
      long now = from.revision();
      if (now == revision) {
        return false;
      }
      Map<String, Known> next = new HashMap<>();
      from.accounts().forEach(a -> take(next, a));
      known = Map.copyOf(next);
      revision = now;
    }
    load();
    return true;
  }

  private void take(Map<String, Known> into, AgentAccount account) {
    try {
      ManagedAccount definition = definitions.of(account.name(), account.properties());
      into.put(account.name(), new Known(account, definition));
    } catch (RuntimeException e) {
      log.error("Account {} can't be used as its agent describes it", account.name(), e);
    }
  }

  private void load() {
    ManagedCredentialsLoader to = loader;
    if (to != null) {
      to.load();
    }
    agents.keySet().removeIf(name -> !manages(name));
    withoutNamespaces.removeIf(name -> !manages(name));
  }

  @Override
  public LoadedAccount require(String account) {
    AccountCatalog from = catalog;
    AgentAccount now =
        from == null
            ? null
            : from.account(account)
                .orElseThrow(
                    () -> new IllegalStateException("no agent has opened account " + account));
    if (now == null) {
      throw new IllegalStateException("the plugin is not started");
    }
    ManagedCachingAgent agent = agents.get(account);
    if (agent == null || outdated(now)) {
      synchronized (this) {
        Map<String, Known> next = new HashMap<>(known);
        take(next, now);
        known = Map.copyOf(next);
      }
      load();
      agent = agents.get(account);
    }
    if (agent == null) {
      throw new IllegalStateException(
          "Clouddriver could not load account " + account + "; its log says why");
    }
    return agent;
  }

  @Override
  public String settings(String account, AccountProperties properties) {
    return mark.of(definitions.of(account, properties));
  }

  /** {@link #settings} of an account as it is known here; null if it is not. */
  String mark(String account) {
    Known k = known.get(account);
    return k == null ? null : mark.of(k.definition);
  }

  private boolean outdated(AgentAccount now) {
    Known then = known.get(now.name());
    return then == null || !then.definition.equals(definitions.of(now.name(), now.properties()));
  }

  /** The dispatcher has made the account's caching agent. */
  void loaded(ManagedCachingAgent agent) {
    agents.put(agent.name(), agent);
  }

  /** The dispatcher has made polling agents for an account that is not an agent's any more. */
  void unloaded(String account) {
    agents.remove(account);
  }

  /** Accounts whose caching agents, if they are loaded, are not of the kind that they should be. */
  Set<String> misplaced() {
    Set<String> wrong = new HashSet<>(known.keySet());
    wrong.removeAll(agents.keySet());
    agents.keySet().stream().filter(name -> !manages(name)).forEach(wrong::add);
    return wrong;
  }

  /** Which of these accounts have rows of a resource; asks the database, once for all. */
  Set<String> storing(Set<String> names, String group, String resource) {
    AccountCatalog from = catalog;
    return from == null || names.isEmpty() ? Set.of() : from.storing(names, group, resource);
  }

  /** Clouddriver asked for the account's namespaces when there was none in the cache yet. */
  void noNamespacesYet(String account) {
    withoutNamespaces.add(account);
  }

  /** Accounts for which {@link #noNamespacesYet} was said and which were not loaded since. */
  public Set<String> withoutNamespaces() {
    return Set.copyOf(withoutNamespaces);
  }

  /**
   * Has the accounts' credentials made anew: they keep the list of namespaces for a while, and it
   * was empty.
   */
  public void namespacesCame(Set<String> accounts) {
    withoutNamespaces.removeAll(accounts);
    ManagedCredentialsLoader to = loader;
    if (to != null && accounts.stream().anyMatch(this::manages)) {
      to.reload(accounts);
    }
  }
}
