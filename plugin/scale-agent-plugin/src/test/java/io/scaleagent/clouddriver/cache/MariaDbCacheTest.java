// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.store.TestDatabase;

class MariaDbCacheTest extends CacheContract {
  @Override
  TestDatabase server() {
    return TestDatabase.mariadb();
  }

  @Override
  CatsNames names() {
    return CatsNames.mysql(null);
  }
}
