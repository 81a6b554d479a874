// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.store.TestDatabase;

class PostgresCacheTest extends CacheContract {
  @Override
  TestDatabase server() {
    return TestDatabase.postgres();
  }

  @Override
  CatsNames names() {
    return CatsNames.postgres(null);
  }
}
