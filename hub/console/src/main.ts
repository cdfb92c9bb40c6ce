import { createApp } from "vue";
import App from "./App.vue";
import { router } from "./router";
import "./theme/tokens.css";
import "./theme/base.css";
import "./theme/page.css";
import { chooseTheme, theme } from "./theme/theme";
import { chooseLanguage, language } from "./words/language";

chooseTheme(theme.value);
chooseLanguage(language.value);
createApp(App).use(router).mount("#app");
