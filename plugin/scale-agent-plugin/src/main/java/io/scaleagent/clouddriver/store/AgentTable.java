// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import io.scaleagent.clouddriver.protocol.AgentConnection;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.Record;

/** The table of agents: which stream each has, and to which Clouddriver. */
final class AgentTable {
  private final Database database;
  private final Sql sql;
  private final Numbers numbers;
  private final Replica self;

  AgentTable(Database database, Numbers numbers, Replica self) {
    this.database = database;
    this.sql = database.sql();
    this.numbers = numbers;
    this.self = self;
  }

  AgentConnection connect(
      String agentId, String zoneId, String agentVersion, String instance, String peer) {
    long stream = numbers.draw();
    String statement =
        sql.upsert(
            "scale_agent_agent",
            List.of("agent_id"),
            List.of(
                "stream",
                "replica",
                "zone_id",
                "version",
                "instance",
                "peer",
                "connected",
                "changed_at"),
            1);
    database.transact(
        "agent " + agentId + " connects",
        tx -> {
          leaveToItself(tx, agentId, instance);
          return tx.execute(
              statement,
              agentId,
              stream,
              self.id(),
              zoneId,
              agentVersion,
              instance,
              peer,
              1,
              tx.fetchOne("select " + sql.clock()).get(0, Long.class));
        });
    return new AgentConnection(agentId, zoneId, agentVersion, instance, stream);
  }

  /**
   * If another process of the same id is connected, what it names is not this one's to take away:
   * that goes as unused, unless it is named again.
   */
  private static void leaveToItself(DSLContext tx, String agentId, String instance) {
    Record other =
        tx.fetchOne(
            "select instance from scale_agent_agent where agent_id = ? and connected = 1", agentId);
    if (other != null && !other.get(0, String.class).equals(instance)) {
      tx.execute("delete from scale_agent_named where agent_id = ?", agentId);
    }
  }

  void disconnect(AgentConnection agent) {
    database.transact(
        agent + " disconnects",
        tx -> {
          tx.execute(
              "update scale_agent_agent set connected = 0, changed_at = "
                  + sql.clock()
                  + " where agent_id = ? and stream = ?",
              agent.agentId(),
              agent.number());
          return tx.execute(
              "update scale_agent_assignment set kept = 0, changed_at = "
                  + sql.clock()
                  + " where agent_id = ? and stream = ? and kept = 1",
              agent.agentId(),
              agent.number());
        });
  }

  Set<AgentConnection> superseded(Collection<AgentConnection> mine) {
    Set<AgentConnection> over = new HashSet<>();
    for (List<AgentConnection> part : Parts.of(mine, Sql.STATEMENT_ROWS)) {
      Map<String, Long> present =
          database.run(
              "looking for superseded streams",
              d ->
                  d
                      .fetch(
                          "select agent_id, stream from scale_agent_agent where agent_id in ("
                              + Sql.marks(part.size())
                              + ")",
                          part.stream().map(AgentConnection::agentId).toArray())
                      .stream()
                      .collect(
                          Collectors.toMap(
                              r -> r.get(0, String.class), r -> r.get(1, Long.class))));
      for (AgentConnection one : part) {
        if (present.getOrDefault(one.agentId(), 0L) > one.number()) {
          over.add(one);
        }
      }
    }
    return over;
  }
}
