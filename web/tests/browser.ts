/** Before the tests in the browser: the styles of the page, and a look for faults of accessibility. */
import '../src/styles/tokens.css';
import '../src/styles/base.css';
import '../src/styles/components.css';
