// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

class PostgresStoreTest extends StoreContract {
  @Override
  TestDatabase server() {
    return TestDatabase.postgres();
  }
}
