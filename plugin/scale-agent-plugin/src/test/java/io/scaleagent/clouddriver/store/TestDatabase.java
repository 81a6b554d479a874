// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jooq.DSLContext;
import org.jooq.ExecuteContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.DefaultExecuteListener;
import org.junit.jupiter.api.Assumptions;

/**
 * A database server of the tests' own: Debian's mariadbd or PostgreSQL, or a MySQL, in a temporary
 * directory, one for all tests of a JVM. Each {@link Schema} is an empty database in it.
 */
public abstract class TestDatabase {
  private static final AtomicInteger schemas = new AtomicInteger();
  private static TestDatabase mariadb;
  private static TestDatabase postgres;
  private static TestDatabase mysql;

  final Path directory;
  final int port;
  Process server;

  private TestDatabase() throws IOException {
    this.directory = Files.createTempDirectory("scale-agent-db");
    try (ServerSocket socket = new ServerSocket(0)) {
      this.port = socket.getLocalPort();
    }
  }

  /** MariaDB; skips the test, saying why, if it is not installed. */
  public static synchronized TestDatabase mariadb() {
    Assumptions.assumeTrue(
        which("mariadbd") != null && which("mariadb-install-db") != null,
        "mariadbd is not installed (Debian's package mariadb-server)");
    if (mariadb == null) {
      mariadb = start(MariaDb::new);
    }
    return mariadb;
  }

  /** PostgreSQL; skips the test, saying why, if it is not installed. */
  public static synchronized TestDatabase postgres() {
    Assumptions.assumeTrue(
        which("postgres") != null && which("initdb") != null,
        "PostgreSQL's server is not installed (Debian's package postgresql)");
    if (postgres == null) {
      postgres = start(Postgres::new);
    }
    return postgres;
  }

  /**
   * MySQL from an unpacked tree that MYSQL_TREE names; skips the test, saying why, if there is
   * none.
   */
  public static synchronized TestDatabase mysql() {
    String tree = System.getenv("MYSQL_TREE");
    Assumptions.assumeTrue(
        tree != null, "MYSQL_TREE names no tree with MySQL (scripts/test --only mysql makes some)");
    if (mysql == null) {
      mysql = start(() -> new MySql(Path.of(tree)));
    }
    return mysql;
  }

  private interface Maker {
    TestDatabase make() throws IOException;
  }

  private static TestDatabase start(Maker maker) {
    try {
      TestDatabase made = maker.make();
      Runtime.getRuntime().addShutdownHook(new Thread(made::stop, "stop " + made.directory));
      made.run();
      return made;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  abstract void run() throws IOException;

  abstract String adminUrl();

  abstract String url(String database);

  abstract SQLDialect dialect();

  /** Stops the server from doing anything, or lets it go on. */
  public static void signal(Process process, String signal) {
    command("kill", "-" + signal, Long.toString(process.pid()));
  }

  /** Ends the server as a crash would, and starts it again. */
  public void crash() throws IOException {
    server.destroyForcibly();
    try {
      server.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    run();
  }

  private void stop() {
    if (server != null) {
      server.destroyForcibly();
      try {
        server.waitFor(5, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
    try (Stream<Path> files = Files.walk(directory)) {
      files.sorted(Comparator.reverseOrder()).forEach(f -> f.toFile().delete());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A new, empty database with a pool of its own. */
  public Schema schema() {
    String name = "t" + schemas.incrementAndGet();
    try (HikariDataSource admin = pool(adminUrl(), 1)) {
      DSL.using(admin, dialect())
          .execute(
              "create database "
                  + name
                  + (dialect() == SQLDialect.MYSQL ? " character set utf8mb4" : ""));
    }
    return new Schema(this, name);
  }

  HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setUsername("root");
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(10_000);
    return new HikariDataSource(config);
  }

  /** Waits until the server answers. */
  void await() {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (true) {
      try (HikariDataSource admin = pool(adminUrl(), 1)) {
        DSL.using(admin, dialect()).fetch("select 1");
        return;
      } catch (RuntimeException e) {
        if (System.nanoTime() > end || !server.isAlive()) {
          throw new IllegalStateException("the database in " + directory + " does not start", e);
        }
        pause(100);
      }
    }
  }

  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  static Path which(String program) {
    List<String> places = new ArrayList<>(Arrays.asList(System.getenv("PATH").split(":")));
    places.addAll(List.of("/usr/sbin", "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/17/bin"));
    return places.stream()
        .map(p -> Path.of(p, program))
        .filter(Files::isExecutable)
        .findFirst()
        .orElse(null);
  }

  static void command(String... words) {
    try {
      Process process =
          new ProcessBuilder(words)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      if (!process.waitFor(180, TimeUnit.SECONDS) || process.exitValue() != 0) {
        throw new IllegalStateException(String.join(" ", words) + " failed");
      }
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(String.join(" ", words), e);
    }
  }

  Process background(String... words) throws IOException {
    return new ProcessBuilder(words)
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(directory.resolve("server.log").toFile()))
        .start();
  }

  private abstract static class MySqlLike extends TestDatabase {
    private MySqlLike() throws IOException {}

    abstract List<String> program();

    @Override
    void run() throws IOException {
      List<String> words = new ArrayList<>(program());
      words.addAll(
          List.of(
              "--user=root",
              "--datadir=" + directory.resolve("data"),
              "--socket=" + directory.resolve("socket"),
              "--pid-file=" + directory.resolve("pid"),
              "--bind-address=127.0.0.1",
              "--port=" + port,
              "--character-set-server=utf8mb4",
              "--innodb-flush-log-at-trx-commit=2",
              "--innodb-buffer-pool-size=64M",
              "--max-connections=200"));
      server = background(words.toArray(String[]::new));
      await();
    }

    @Override
    String adminUrl() {
      return url("mysql");
    }

    @Override
    String url(String database) {
      return "jdbc:mysql://127.0.0.1:" + port + "/" + database + "?useSSL=false";
    }

    @Override
    SQLDialect dialect() {
      return SQLDialect.MYSQL;
    }
  }

  private static final class MariaDb extends MySqlLike {
    MariaDb() throws IOException {
      command(
          which("mariadb-install-db").toString(),
          "--no-defaults",
          "--datadir=" + directory.resolve("data"),
          "--auth-root-authentication-method=normal",
          "--skip-test-db",
          // What looks the host's name up is in the package of the service.
          "--force",
          "--user=root");
    }

    @Override
    List<String> program() {
      return List.of(which("mariadbd").toString(), "--no-defaults");
    }
  }

  /** Of another distribution, with its own C library: nothing of it is installed. */
  private static final class MySql extends MySqlLike {
    private final Path tree;

    MySql(Path tree) throws IOException {
      this.tree = tree;
      List<String> words = new ArrayList<>(program());
      words.addAll(
          List.of(
              "--initialize-insecure", "--user=root", "--datadir=" + directory.resolve("data")));
      command(words.toArray(String[]::new));
    }

    @Override
    List<String> program() {
      String libraries =
          Stream.of("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
              .map(d -> tree.resolve(d).toString())
              .collect(Collectors.joining(":"));
      return List.of(
          tree.resolve("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2").toString(),
          "--library-path",
          libraries,
          tree.resolve("usr/sbin/mysqld").toString(),
          "--no-defaults",
          "--lc-messages-dir=" + tree.resolve("usr/share/mysql"),
          "--character-sets-dir=" + tree.resolve("usr/share/mysql/charsets"),
          "--secure-file-priv=NULL",
          "--skip-log-bin",
          "--loose-mysqlx=OFF");
    }
  }

  private static final class Postgres extends TestDatabase {
    private final String[] as;

    Postgres() throws IOException {
      boolean root = "root".equals(System.getProperty("user.name"));
      this.as = root ? new String[] {"runuser", "-u", "postgres", "--"} : new String[] {};
      if (root) {
        command("chown", "postgres", directory.toString());
      }
      command(
          with(
              which("initdb").toString(),
              "-D",
              directory.resolve("data").toString(),
              "-U",
              "root",
              "-A",
              "trust",
              "-E",
              "UTF8",
              "--no-sync"));
    }

    private String[] with(String... words) {
      return Stream.concat(Arrays.stream(as), Arrays.stream(words)).toArray(String[]::new);
    }

    @Override
    void run() throws IOException {
      server =
          background(
              with(
                  which("postgres").toString(),
                  "-D",
                  directory.resolve("data").toString(),
                  "-p",
                  Integer.toString(port),
                  "-k",
                  directory.toString(),
                  "-c",
                  "listen_addresses=127.0.0.1",
                  "-c",
                  "fsync=off",
                  "-c",
                  "max_connections=200"));
      await();
    }

    @Override
    String adminUrl() {
      return url("postgres");
    }

    @Override
    String url(String database) {
      return "jdbc:postgresql://127.0.0.1:" + port + "/" + database;
    }

    @Override
    SQLDialect dialect() {
      return SQLDialect.POSTGRES;
    }
  }

  private static final List<String> OWN =
      List.of(
          "replica",
          "connection",
          "agent",
          "named",
          "account",
          "assignment",
          "scope",
          "digest",
          "link");

  // Liquibase tells every change set; held, since a logger that nobody holds forgets its level.
  private static final Logger quiet = Logger.getLogger("liquibase");

  static {
    quiet.setLevel(Level.SEVERE);
  }

  /** An empty database. */
  public static final class Schema implements AutoCloseable {
    private final TestDatabase server;
    private final String name;
    private final List<HikariDataSource> pools = new ArrayList<>();
    private final List<Database> databases = new ArrayList<>();
    private final AtomicLong executed = new AtomicLong();
    private DSLContext counter;

    private Schema(TestDatabase server, String name) {
      this.server = server;
      this.name = name;
    }

    /** Statements that went through {@link #database}, without commits. */
    public long executed() {
      return executed.get();
    }

    /** One connection, on which nothing is said but what is asked of it. */
    public DSLContext counter() {
      if (counter == null) {
        HikariDataSource pool = server.pool(server.url(name), 1);
        pools.add(pool);
        counter = DSL.using(pool, server.dialect());
      }
      return counter;
    }

    /** A pool of its own, as each Clouddriver has one. */
    public DSLContext connect() {
      HikariDataSource pool = server.pool(server.url(name), 10);
      pools.add(pool);
      return DSL.using(pool, server.dialect());
    }

    /** As a plugin has it: with connections of its own beside those of its Clouddriver. */
    public Database database() {
      HikariDataSource pool = server.pool(server.url(name), 10);
      pools.add(pool);
      DSLContext dsl = DSL.using(pool, server.dialect());
      dsl.configuration()
          .set(
              new DefaultExecuteListener() {
                @Override
                public void executeStart(ExecuteContext context) {
                  executed.incrementAndGet();
                }
              });
      Database database = new Database(dsl, pool, 10);
      databases.add(database);
      return database;
    }

    public HikariDataSource source() {
      HikariDataSource pool = server.pool(server.url(name), 2);
      pools.add(pool);
      return pool;
    }

    public String url() {
      return server.url(name);
    }

    public TestDatabase server() {
      return server;
    }

    /** The templates of cats' tables, as Clouddriver 5.90.0's own change sets leave them. */
    public Schema withCats() {
      boolean mysql = server.dialect() == SQLDialect.MYSQL;
      String id = mysql ? "varchar(352)" : "text";
      String agent = mysql ? "varchar(127)" : "text";
      DSLContext dsl = connect();
      dsl.execute(
          "create table cats_v1_resource_template (id "
              + id
              + " not null, agent "
              + agent
              + " not null, application "
              + (mysql ? "varchar(255)" : "text")
              + ", body_hash "
              + (mysql ? "char(64)" : "varchar(64)")
              + " not null, body "
              + (mysql ? "longtext" : "text")
              + " not null, last_updated bigint not null, primary key (id, agent))");
      dsl.execute(
          "create index agent_body_hash_idx on cats_v1_resource_template (agent, body_hash)");
      dsl.execute(
          "create table cats_v1_rel_template (uuid "
              + (mysql ? "char(26)" : "varchar(26)")
              + " not null primary key, id "
              + id
              + " not null, rel_id "
              + id
              + " not null, rel_agent "
              + agent
              + " not null, rel_type "
              + (mysql ? "varchar(64)" : "text")
              + ", last_updated bigint)");
      dsl.execute("create index rel_agent_idx on cats_v1_rel_template (rel_agent)");
      return this;
    }

    /** The plugin's own tables. */
    public Schema withStore() {
      StoreMigration.run(source());
      return this;
    }

    /** As if nobody had ever written into the plugin's tables; numbers grow on. */
    public void emptyStore() {
      DSLContext dsl = connect();
      for (String table : OWN) {
        dsl.execute("delete from scale_agent_" + table);
      }
    }

    /** Ends all connections of the pools that were made. */
    public void disconnect() {
      databases.forEach(Database::close);
      databases.clear();
      pools.forEach(HikariDataSource::close);
      pools.clear();
      counter = null;
    }

    @Override
    public void close() {
      disconnect();
      try (HikariDataSource admin = server.pool(server.adminUrl(), 1)) {
        DSL.using(admin, server.dialect()).execute("drop database " + name);
      }
    }
  }

  /** What an agent says of an account that has no settings, on a cluster of this uid. */
  public static AccountProperties properties(String cluster) {
    return new AccountProperties(
        "api:6443",
        "",
        "v1.36.3",
        cluster,
        Map.of(),
        List.of(),
        List.of(),
        List.of(),
        List.of(),
        false,
        false);
  }
}
