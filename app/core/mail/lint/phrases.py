"""The phrases by which senders name the way out, by language (BCP 47); how they are read stands in
`languages.py`.

The first text of a row holds those that name a way out, the second those that only look like one.
Adding a language is adding a row, and a row of examples in
`tests/core/mail/test_lint_languages.py`.

Source: written for this list, after what mailing services print below their mails. Compared on
2026-12-01 with listmonk's translations into 36 languages (`email.unsub`, `public.unsubTitle` and
`public.managePrefs` of its folder `i18n`): each is found, but for the Hungarian word for settings
alone, which is no way out.
"""

PHRASES: dict[str, tuple[str, str]] = {
    "en": (
        (
            "unsubscribe, unsubscribing, unsubscription, unsub, opt out, opt-out, optout, opting"
            " out, preferences, preference center, preference centre, manage subscription*, manage"
            " your subscription*, subscription settings, email settings, cancel subscription,"
            " cancel your subscription, stop receiving, no longer wish to receive, no longer want"
            " to receive, don't want to receive, do not want to receive, do not wish to receive,"
            " remove me from, take me off, leave this list, leave the list, leave this mailing"
            " list, leave our mailing list"
        ),
        (
            "don't unsubscribe, do not unsubscribe, never unsubscribe, can't unsubscribe, cannot"
            " unsubscribe, not unsubscribe, cookie preferences, privacy preferences, travel"
            " preferences"
        ),
    ),
    "de": (
        (
            "abmeld*, abbestell*, austragen, newsletterabmeldung, newsletter-abmeldung, newsletter"
            " kündigen, abonnement kündigen, nicht mehr erhalten, keine e-mails mehr, keine mails"
            " mehr, keine weiteren e-mails, einstellungen verwalten, e-mail-einstellungen,"
            " newsletter-einstellungen, vom newsletter ab, melden sie sich hier ab, hier ab"
        ),
        "nicht abmelden, nicht abbestellen",
    ),
    "fr": (
        (
            "désabonn*, désinscri*, désinscription, ne plus recevoir, ne souhaitez plus recevoir,"
            " gérer les préférences, gérer vos préférences, gérer mes préférences, préférences, se"
            " désengager, annuler l'abonnement, résilier l'abonnement, annuler votre abonnement, me"
            " retirer de"
        ),
        "ne vous désabonnez pas, ne pas se désabonner, préférences de cookies",
    ),
    "es": (
        (
            "darse de baja, darme de baja, darte de baja, date de baja, dar de baja, dese de baja,"
            " de baja aquí, baja del boletín, cancelar suscripción, cancelar la suscripción,"
            " cancelar mi suscripción, cancelar tu suscripción, cancelar su suscripción, cancela tu"
            " suscripción, anular suscripción, anular la suscripción, desuscri*, dessuscri*, no"
            " recibir más, no deseo recibir, no desea recibir, no deseas recibir, dejar de recibir,"
            " gestionar preferencias, gestionar las preferencias, preferencias de correo,"
            " preferencias"
        ),
        "no te des de baja, no cancelar la suscripción",
    ),
    "pt": (
        (
            "cancelar assinatura, cancelar a assinatura, cancelar inscrição, cancelar a inscrição,"
            " cancelar a sua inscrição, cancelar sua inscrição, cancelar subscrição, cancelar a"
            " subscrição, cancele a sua subscrição, anular subscrição, anular a subscrição,"
            " descadastr*, desinscrev*, desinscrição, não receber mais, não deseja receber, deixar"
            " de receber, não quero receber, remover inscrição, gerenciar preferências, gerir"
            " preferências, preferências"
        ),
        "não cancelar a subscrição, não cancelar a inscrição",
    ),
    "it": (
        (
            "disiscri*, annulla iscrizione, annulla l'iscrizione, annullare l'iscrizione, annulla"
            " la tua iscrizione, cancella iscrizione, cancella l'iscrizione, cancellati,"
            " cancellarti, cancellazione dalla newsletter, cancellare l'iscrizione, cancella la tua"
            " iscrizione, non ricevere più, non desideri più ricevere, non vuoi più ricevere,"
            " gestisci le preferenze, modifica impostazioni, preferenze"
        ),
        "non cancellare l'iscrizione, non disiscriverti",
    ),
    "nl": (
        (
            "afmeld*, uitschrijv*, schrijf je uit, schrijf u uit, meld je af, meld u af, hier af,"
            " opzeggen, niet meer ontvangen, geen e-mails meer, beheer voorkeuren, voorkeuren"
            " beheren, voorkeuren aanpassen"
        ),
        "niet uitschrijven, niet afmelden",
    ),
    "pl": (
        (
            "wypisz*, wypisać, wypisania, zrezygnuj z subskrypcji, zrezygnuj z newslettera,"
            " zrezygnować z, rezygnacja z subskrypcji, rezygnuję z, anuluj subskrypcję, anulować"
            " subskrypcję, odsubskryb*, nie chcesz otrzymywać, nie chcę otrzymywać, zmień"
            " preferencje, zarządzaj preferencjami, zarządzaj subskrypcją"
        ),
        "nie wypisuj*, nie anuluj subskrypcji",
    ),
    "cs": (
        (
            "odhlásit*, odhlášení, odhlaste se, zrušit odběr, zrušení odběru, zrušte odběr, ukončit"
            " odběr, odebrat z odběru, nechcete dostávat, nechcete-li dostávat, nepřejete si"
            " dostávat, nastavení odběru, správa předvoleb"
        ),
        "neodhlašujte, nezrušit odběr",
    ),
    "sk": (
        (
            "odhlásiť*, odhlásenie, odhláste sa, zrušiť odber, zrušenie odberu, zrušte odber,"
            " ukončiť odber, nechcete dostávať, neželáte si dostávať, správa predvolieb, nastavenia"
            " odberu"
        ),
        "nezrušiť odber",
    ),
    "sl": (
        "odjava, odjavi*, odjavite se, upravljanje nastavitev, ne želite prejemati",
        "ne odjavite",
    ),
    "hr": (
        (
            "odjava, odjavi*, odjavite se, otkaži pretplatu, otkažite pretplatu, prekini pretplatu,"
            " ne želite primati"
        ),
        "",
    ),
    "tr": (
        (
            "abonelikten çık*, abonelikten ayrıl*, aboneliği iptal*, aboneliğimi iptal*,"
            " aboneliğinizi iptal*, aboneliği sonlandır*, üyelikten ayrıl*, üyelikten çık*, üyeliği"
            " sonlandır*, üyeliğimi iptal*, listeden çık*, listemizden çık*, almak istemiyor*,"
            " tercihleri yönet*, e-posta tercihleri"
        ),
        "abonelikten çıkma, abonelikten çıkmayın",
    ),
    "hu": (
        (
            "leiratkoz*, iratkozzon le, iratkozz le, feliratkozás törlése, feliratkozás lemondása, hírlevél lemondása,"
            " lemondás, nem szeretne több, nem kíván több, beállítások kezelése,"
            " hírlevél-beállítások"
        ),
        "ne iratkozzon le",
    ),
    "fi": (
        (
            "peruuta tilaus, peru tilaus, peruuta uutiskirje, peru uutiskirje, peruuttaa tilauksen,"
            " peruuta tilauksesi, peru uutiskirjeen tilaus, peruuta uutiskirjeen tilaus, lopeta"
            " tilaus, poistu postituslistalta, eroa postituslistalta, postituslistalta eroaminen,"
            " poistu listalta, et halua enää, en halua enää, hallitse asetuksia, tilausasetukset"
        ),
        "älä peruuta tilausta, älä peruuta tilaus",
    ),
    "sv": (
        (
            "avregistrer*, avprenumerer*, avsluta prenumeration*, avsluta din prenumeration, säg"
            " upp prenumeration*, avanmäl*, avbeställ*, vill du inte längre, vill inte längre få,"
            " hantera preferenser, hantera prenumeration*"
        ),
        "inte avregistrera, inte avsluta prenumerationen",
    ),
    "da": (
        (
            "afmeld*, frameld*, afmelding, opsig abonnement*, meld dig fra, meld fra, ikke længere"
            " modtage, ikke længere ønsker, administrer præferencer, administrer foretruk*,"
            " administrer abonnement*"
        ),
        "ikke afmeld*",
    ),
    "no": (
        (
            "avmeld*, meld deg av, meld av, meld meg av, avslutt abonnement*, avslutt abonnementet,"
            " stopp abonnement*, avbestill*, ikke lenger motta, ikke lenger ønsker, ønsker ikke å"
            " motta, administrer preferanser"
        ),
        "ikke avmeld*, ikke meld deg av",
    ),
    "ro": (
        (
            "dezabon*, renunțare la abonament, renunță la abonare, anulează abonamentul, anulare"
            " abonament, anulați abonarea, nu mai doriți să primiți, nu mai vreau să primesc, nu"
            " mai dorești să primești, gestionarea preferințelor, gestionează preferințele,"
            " preferințe"
        ),
        "nu vă dezabonați, nu te dezabona",
    ),
    "bg": (
        (
            "отпис*, отпиш*, отказ от абонамент, откажи абонамент*, прекрати абонамент*, не желаете"
            " да получавате, управление на предпочитанията"
        ),
        "не се отписвайте",
    ),
    "el": (
        (
            "απεγγραφ*, απεγγραφείτε, διαγραφή από τη λίστα, διαγραφή από το newsletter, διαγραφή"
            " συνδρομής, διαγραφή, διαγραφείτε, κατάργηση εγγραφής, κατάργηση της εγγραφής, ακύρωση"
            " εγγραφής, ακύρωση συνδρομής, δεν θέλετε να λαμβάνετε, δεν επιθυμείτε να λαμβάνετε,"
            " διαχείριση προτιμήσεων, προτιμήσεις"
        ),
        "μην διαγραφείτε, διαγραφή λογαριασμού",
    ),
    "ru": (
        (
            "отпис*, отпиш*, отказаться от рассылки, отказаться от подписки, отказ от рассылки,"
            " отменить подписку, отмена подписки, не хотите получать, не хочу получать, больше не"
            " получать, прекратить получать, управление подпиской, управлять подпиской, управление"
            " настройками, настройки рассылки, настроить рассылку"
        ),
        "не отписывайтесь, не отписываться",
    ),
    "uk": (
        (
            "відпис*, відпиш*, відмовитися від розсилки, відмовитись від розсилки, відмовитися від"
            " підписки, відмова від розсилки, скасувати підписку, скасування підписки, не бажаєте"
            " отримувати, не хочете отримувати, керувати підпискою, керувати налаштуваннями"
        ),
        "не відписуйтесь, не відписуйтеся",
    ),
    "ar": (
        (
            "إلغاء الاشتراك, الغاء الاشتراك, إلغاء اشتراك, ألغ اشتراك, إلغاء التسجيل, إيقاف"
            " الاشتراك, إيقاف الرسائل, تفضيلات البريد, إدارة التفضيلات, لا ترغب في تلقي, لا تريد"
            " استلام"
        ),
        "عدم إلغاء الاشتراك, لا تقم بإلغاء الاشتراك",
    ),
    "fa": (
        (
            "لغو اشتراک, لغو عضویت, لغو دریافت, انصراف از اشتراک, انصراف از دریافت, انصراف از"
            " عضویت, قطع اشتراک, مدیریت تنظیمات"
        ),
        "اشتراک خود را لغو نکنید, بدون لغو اشتراک",
    ),
    "he": (
        (
            "הסרה מרשימת, הסר מרשימת, להסרה מרשימת, הסרה מהרשימה, הסירו אותי, הסר אותי, להסרה, הסרה, הסרה"
            " מהדיוור, ביטול רישום, ביטול הרשמה, ביטול מינוי, ביטול המנוי, בטל הרשמה, בטל מנוי,"
            " לבטל את ההרשמה, הפסק את ההרשמה, ניהול העדפות"
        ),
        "אל תבטל מנוי, ללא ביטול מינוי",
    ),
    "hi": (
        (
            "सदस्यता समाप्त, सदस्यता रद्द, सदस्यता छोड़, सदस्यता त्याग, सदस्यता वापस, अनसब्सक्राइब,"
            " सब्सक्रिप्शन रद्द, मेल बंद करें, ईमेल प्राप्त नहीं करना, प्राथमिकताएँ प्रबंधित,"
            " प्राथमिकताएं प्रबंधित"
        ),
        "सदस्यता रद्द न करें, सदस्यता समाप्त न करें",
    ),
    "th": (
        (
            "ยกเลิกการสมัคร, ยกเลิกการรับ, ยกเลิกรับ, ยกเลิกการเป็นสมาชิก, ยกเลิกการติดตาม,"
            " ยกเลิกสมาชิก, เลิกรับข่าวสาร, ไม่ต้องการรับ, เลิกสมัคร, จัดการการตั้งค่าอีเมล"
        ),
        "อย่ายกเลิกการสมัคร, ไม่ยกเลิกการสมัคร",
    ),
    "vi": (
        (
            "hủy đăng ký, huỷ đăng ký, hủy nhận, huỷ nhận, ngừng nhận, ngừng đăng ký, bỏ đăng ký,"
            " dừng nhận, không muốn nhận, không nhận email, quản lý tùy chọn"
        ),
        "đừng hủy đăng ký, không hủy đăng ký",
    ),
    "id": (
        (
            "berhenti berlangganan, batal berlangganan, batalkan langganan, membatalkan langganan,"
            " berhenti langganan, hentikan langganan, tidak ingin menerima, berhenti menerima,"
            " kelola preferensi"
        ),
        "jangan berhenti berlangganan, tanpa berhenti berlangganan",
    ),
    "ms": (
        (
            "berhenti melanggan, nyahlanggan, batal langganan, batalkan langganan, hentikan"
            " langganan, tidak mahu menerima, tidak lagi mahu menerima, urus pilihan"
        ),
        "jangan berhenti melanggan",
    ),
    "ja": (
        (
            "配信停止, 配信を停止, 配信の停止, 配信解除, 配信を解除, 配信の解除, 購読解除,"
            " 購読を解除, 購読の解除, 購読停止, "
            "購読を停止, 購読を中止, 登録解除, 登録を解除, 登録の解除, 登録を取り消, 退会, 解約,"
            " 受信停止, 受信を停止, 受信拒否, "
            "メール停止, メルマガ解除, 解除はこちら, 登録抹消,"
            " 配信設定, 受信設定, 配信不要, 配信をご希望されない, 設定変更"
        ),
        "配信停止はできません, 退会しない",
    ),
    "ko": (
        (
            "수신거부, 수신 거부, 수신을 거부, 수신을 원하지, 구독 취소, 구독취소, 구독을 취소,"
            " 구독 해지, 구독해지, 구독을 해지, "
            "구독 해제, 수신 해지, 수신해지, 수신 동의 철회, 이메일 설정, 메일 수신 설정, 환경설정 관리"
        ),
        "구독 취소하지 마, 수신 거부하지",
    ),
    "zh-Hans": (
        (
            "退订, 取消订阅, 取消邮件订阅, 停止订阅, 不再接收, 不想再收到, 不想收到, 管理订阅,"
            " 订阅设置, 邮件偏好, 管理偏好"
        ),
        "不要取消订阅, 请勿退订, 不可取消订阅",
    ),
    "zh-Hant": (
        (
            "退訂, 取消訂閱, 取消電子報, 停止訂閱, 解除訂閱, 不再接收, 不想再收到, 不想收到,"
            " 管理訂閱, 訂閱設定, 電子郵件偏好, "
            "管理喜好設定, 管理偏好"
        ),
        "不要取消訂閱, 請勿退訂, 不可取消訂閱",
    ),
    "ca": (
        (
            "donar-se de baixa, dona't de baixa, donar-me de baixa, doneu-vos de baixa, dóna't de"
            " baixa, de baixa aquí, cancel·lar la subscripció, cancel·la la subscripció, anul·lar"
            " la subscripció, desubscri*, deixar de rebre, no voleu rebre, gestiona les"
            " preferències, preferències"
        ),
        "no us doneu de baixa",
    ),
    "cy": (
        "dad-danysgrif*, rheoli dewisiadau",
        "",
    ),
    "ml": (
        "വരിക്കാരനല്ലാതാകുക, മുൻഗണനകളിൽ മാറ്റം",
        "",
    ),
    "et": (
        "loobu tellimusest, loobu uudiskirjast, tühista tellimus, eemalda mind",
        "ära loobu tellimusest",
    ),
    "lv": (
        "atrakstī*, anulēt abonementu, atteikties no",
        "neatrakstīties",
    ),
    "lt": (
        (
            "atsisakyti prenumeratos, atsisakykite prenumeratos, atšaukti prenumeratą, atsisakyti"
            " naujienlaišk*"
        ),
        "",
    ),
    "sr": (
        "odjav*, одјав*, otkaži pretplatu, откажи претплату",
        "",
    ),
    "eu": (
        "utzi harpidetza, harpidetza utzi, harpidetza kendu, baja eman, eman baja",
        "ez utzi harpidetza",
    ),
    "ga": ("díliostáil*, stop ag fáil, cealaigh an síntiús", ""),
    "is": ("afskrá*, segja upp áskrift, hætta áskrift, hætta í áskrift, skrá mig af", ""),
    "mt": ("neħħi s-sottoskrizzjoni, ħassar is-sottoskrizzjoni, ikkanċella l-abbonament", ""),
    "sq": (
        "çabonohu, çabonohuni, çregjistrohu, çregjistrohuni, anulo abonimin, hiqni abonimin",
        "",
    ),
    "bn": ("আনসাবস্ক্রাইব, সাবস্ক্রিপশন বাতিল, সদস্যতা বাতিল", ""),
    "ta": ("குழுவிலக, சந்தாவை ரத்து, சந்தாவிலிருந்து விலக", ""),
    "ur": ("ان سبسکرائب, سبسکرپشن منسوخ, رکنیت ختم, رکنیت منسوخ", ""),
}
