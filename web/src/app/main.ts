/** The console starts here. */
import '../styles/tokens.css';
import '../styles/base.css';
import '../styles/components.css';

import { mount } from 'svelte';

import { lastSpoken, speak } from '../i18n/words.svelte.ts';
import { place } from '../lib/route.svelte.ts';
import { wear } from '../lib/theme.svelte.ts';
import App from './App.svelte';

wear(place.query.has('kiosk'));
const asked = place.query.get('lang');
const language = asked === 'vi' || asked === 'en' ? asked : (lastSpoken() ?? 'vi');
if (language !== 'vi') await speak(language);

mount(App, { target: document.getElementById('app') as HTMLElement });
