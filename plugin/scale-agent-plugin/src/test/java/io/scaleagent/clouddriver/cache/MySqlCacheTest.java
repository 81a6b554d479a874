// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.store.TestDatabase;

class MySqlCacheTest extends CacheContract {
  @Override
  TestDatabase server() {
    return TestDatabase.mysql();
  }

  @Override
  CatsNames names() {
    return CatsNames.mysql(null);
  }
}
