// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import java.nio.file.Path;

/**
 * A CA of the tests' own, and what it signed: "localhost" for the server, "agent-1" and "someone"
 * for clients.
 */
final class Certificates {
  private final Path directory;

  Certificates(Path directory) {
    this.directory = directory;
    run(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt");
    run(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=other-ca -keyout other.key -out other.crt");
    sign("localhost", "ca");
    sign("agent-1", "ca");
    sign("someone", "ca");
    sign("forged", "other");
    run("pkcs8 -topk8 -in localhost.key -out locked.key -passout pass:secret");
    Programs.run(directory, "sh", "-c", "chmod 644 *.key");
  }

  private void sign(String name, String ca) {
    run(
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /O=Example/CN="
            + name
            + " -keyout "
            + name
            + ".key -out "
            + name
            + ".csr");
    Programs.run(
        directory,
        "sh",
        "-c",
        "printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > ext && openssl x509 -req -days 2 -CAcreateserial -extfile ext -CA "
            + ca
            + ".crt -CAkey "
            + ca
            + ".key -in "
            + name
            + ".csr -out "
            + name
            + ".crt");
  }

  private void run(String arguments) {
    Programs.run(directory, "sh", "-c", "openssl " + arguments);
  }

  Path ca() {
    return directory.resolve("ca.crt");
  }

  Path cert(String name) {
    return directory.resolve(name + ".crt");
  }

  Path key(String name) {
    return directory.resolve(name + ".key");
  }

  /** Settings with TLS, and this CA for clients' certificates. */
  GrpcSettings server() {
    GrpcSettings s = new GrpcSettings();
    GrpcSettings.Security security = s.getServer().getSecurity();
    security.setEnabled(true);
    security.setCertificateChain(cert("localhost").toString());
    security.setPrivateKey("file:" + key("localhost"));
    security.setTrustCertCollection(ca().toString());
    return s;
  }
}
