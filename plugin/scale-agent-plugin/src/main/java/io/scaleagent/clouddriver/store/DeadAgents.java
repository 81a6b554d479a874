// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import java.util.List;

/**
 * Forgets agents that have not been connected for long: pods, for one, have a new name each time.
 */
final class DeadAgents {
  static final long KEEP_MILLIS = 86_400_000;

  private DeadAgents() {}

  /**
   * Deletes agents, with the names of accounts that they brought. Accounts that nobody else names
   * are not touched: they go by themselves as unused.
   *
   * @param millis for how long they have not been connected
   * @return how many there were
   */
  static int forget(Database database, long millis) {
    String before = database.sql().clock() + " - ?";
    return database.transact(
        "forgetting agents",
        tx -> {
          List<String> dead =
              tx.fetch(
                      "select g.agent_id from scale_agent_agent g"
                          + " left join scale_agent_replica r on r.id = g.replica"
                          + " where g.changed_at < "
                          + before
                          + " and (g.connected = 0 or r.id is null or r.alive_until < "
                          + before
                          + ")",
                      millis,
                      millis)
                  .getValues(0, String.class);
          int forgotten = 0;
          for (String agent : dead) {
            // Once more, now that the row is locked: it may have come back.
            int gone =
                tx.execute(
                    "delete from scale_agent_agent where agent_id = ? and changed_at < " + before,
                    agent,
                    millis);
            if (gone > 0) {
              tx.execute("delete from scale_agent_named where agent_id = ?", agent);
              forgotten++;
            }
          }
          return forgotten;
        });
  }
}
