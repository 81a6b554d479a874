// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import org.junit.jupiter.api.Nested;

class MySqlStoreTest {
  @Nested
  class OfAccounts extends AccountsContract {
    @Override
    TestDatabase server() {
      return TestDatabase.mysql();
    }
  }

  @Nested
  class OfAssignment extends AssignmentContract {
    @Override
    TestDatabase server() {
      return TestDatabase.mysql();
    }
  }

  @Nested
  class OfScopes extends ScopesContract {
    @Override
    TestDatabase server() {
      return TestDatabase.mysql();
    }
  }
}
