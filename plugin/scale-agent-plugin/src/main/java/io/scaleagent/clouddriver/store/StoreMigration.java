// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import javax.sql.DataSource;
import liquibase.exception.LiquibaseException;
import liquibase.integration.spring.SpringLiquibase;
import org.springframework.core.io.DefaultResourceLoader;

/** Makes and changes the plugin's tables. */
public final class StoreMigration {
  static final String CHANGELOG = "classpath:io/scaleagent/clouddriver/store/changelog.yml";

  private StoreMigration() {}

  /**
   * Brings the tables up to date; does nothing if they are.
   *
   * @param migration connects as the user that may change tables (sql.migration.*)
   * @throws IllegalStateException if that fails
   */
  public static void run(DataSource migration) {
    SpringLiquibase liquibase = new SpringLiquibase();
    liquibase.setResourceLoader(new DefaultResourceLoader(StoreMigration.class.getClassLoader()));
    liquibase.setChangeLog(CHANGELOG);
    liquibase.setDatabaseChangeLogTable("SCALE_AGENT_CHANGELOG");
    liquibase.setDatabaseChangeLogLockTable("SCALE_AGENT_CHANGELOG_LOCK");
    // Liquibase remembers, for the whole JVM and by contexts alone, that a database is up to date:
    // without an own context Clouddriver's check would stand for ours.
    liquibase.setContexts("scale-agent");
    liquibase.setDataSource(migration);
    try {
      liquibase.afterPropertiesSet();
    } catch (LiquibaseException e) {
      throw new IllegalStateException("scale-agent's tables can't be made or changed", e);
    }
  }
}
