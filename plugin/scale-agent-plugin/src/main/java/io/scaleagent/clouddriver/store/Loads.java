// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import io.scaleagent.clouddriver.protocol.AgentConnection;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.Result;

/** How many accounts agents keep. */
final class Loads {
  private Loads() {}

  /** {@link io.scaleagent.clouddriver.protocol.AccountStore#hasItsShare}. */
  static boolean hasItsShare(Database database, AgentConnection agent, String account) {
    return database.run(
        "comparing what agents keep", d -> hasItsShare(d, database, agent, account));
  }

  private static boolean hasItsShare(
      DSLContext d, Database database, AgentConnection agent, String account) {
    String clock = database.sql().clock();
    Result<Record> agents =
        d.fetch(
            "select g.agent_id, (select count(*) from scale_agent_assignment a"
                + " join scale_agent_replica k on k.id = a.replica"
                + " where a.agent_id = g.agent_id and a.kept = 1 and k.alive_until >= "
                + clock
                + ") from scale_agent_named n"
                + " join scale_agent_agent g on g.agent_id = n.agent_id"
                + " join scale_agent_replica r on r.id = g.replica"
                + " where n.account = ? and g.connected = 1 and r.alive_until >= "
                + clock,
            account);
    if (agents.size() < 2) {
      return false;
    }
    long mine = 0;
    long all = unkept(d, clock, agent);
    for (Record r : agents) {
      all += r.get(1, Long.class);
      mine += r.get(0, String.class).equals(agent.agentId()) ? r.get(1, Long.class) : 0;
    }
    return mine >= (all + agents.size() - 1) / agents.size();
  }

  /** Accounts of the agent that nobody keeps. */
  private static long unkept(DSLContext d, String clock, AgentConnection agent) {
    return d.fetchOne(
            "select count(*) from scale_agent_named n where n.agent_id = ? and not exists"
                + " (select 1 from scale_agent_assignment a"
                + " join scale_agent_replica k on k.id = a.replica"
                + " where a.account = n.account and a.kept = 1 and k.alive_until >= "
                + clock
                + ")",
            agent.agentId())
        .get(0, Long.class);
  }
}
