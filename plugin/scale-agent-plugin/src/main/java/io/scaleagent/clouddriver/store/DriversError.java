// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import java.sql.SQLException;
import java.util.Arrays;
import org.jooq.Configuration;
import org.jooq.ExecuteContext;
import org.jooq.ExecuteListenerProvider;
import org.jooq.impl.DefaultExecuteListener;
import org.jooq.impl.DefaultExecuteListenerProvider;

/**
 * Brings the driver's error back. Clouddriver's listener puts an exception of Spring in its place,
 * and where Spring has none (a server that is read-only, a statement that was interrupted) one
 * without code, state, text or cause: nobody could tell any more what may pass.
 */
final class DriversError extends DefaultExecuteListener {
  private static final long serialVersionUID = 1;

  private DriversError() {}

  /** The same with this as the last of its listeners. */
  static Configuration keptBy(Configuration configuration) {
    ExecuteListenerProvider[] theirs = configuration.executeListenerProviders();
    ExecuteListenerProvider[] all = Arrays.copyOf(theirs, theirs.length + 1);
    all[theirs.length] = new DefaultExecuteListenerProvider(new DriversError());
    return configuration.derive(all);
  }

  @Override
  public void exception(ExecuteContext context) {
    SQLException error = context.sqlException();
    if (error != null) {
      context.sqlException(error); // makes jOOQ's exception of it anew
    }
  }
}
