// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

class MariaDbStoreTest extends StoreContract {
  @Override
  TestDatabase server() {
    return TestDatabase.mariadb();
  }
}
